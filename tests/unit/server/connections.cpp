// Clients from their first byte to their last, over real sockets, with a loop that waits for the idle ones.
#include <fcntl.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <optional>
#include <tuple>

#include "matchers.hpp"
#include "server/house.hpp"
#include "session/parts.hpp"

namespace ashlar::host {

using namespace protocol;

namespace {

// As a socket may be behind which something else stands.
class StrangeSocket final : public Socket {
 public:
  explicit StrangeSocket(int fd) : real_(fd) {}
  ~StrangeSocket() override { ::close(nothing_); }

  std::atomic<bool> holds{false}, watches_nothing{false};
  mutable std::atomic<int> asked{0};

  bool holds_input() const override { return ++asked, holds; }
  int watched_descriptor() const override { return watches_nothing ? nothing_ : real_.watched_descriptor(); }
  ssize_t receive(std::span<std::byte> into, Wait wait) override { return real_.receive(into, wait); }
  bool has_input() override { return real_.has_input(); }
  bool wait_for_input() override { return real_.wait_for_input(); }
  bool is_gone() override { return real_.is_gone(); }
  ssize_t send(std::span<const iovec> parts, Wait wait, bool more) override { return real_.send(parts, wait, more); }
  bool can_send_files() const override { return real_.can_send_files(); }
  FileSent send_file(int fd, std::uint64_t offset, std::size_t length) override {
    return real_.send_file(fd, offset, length);
  }
  void abort() override { real_.abort(); }
  void finish() noexcept override { real_.finish(); }

 private:
  KernelSocket real_;
  const int nothing_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);  // epoll(7) does not take it
};

}  // namespace

TEST_CASE("a client that has idled is waited for when its reply is larger than its socket takes at once") {
  House house;
  // While the reply is sent others wait for memory: then a send that ends without having waited breaks the connection.
  std::atomic<bool> reading{false};
  house.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    std::memset(io.data, 'a', io.length);
    reading = true;
    while (!house.context->pool.wanted()) std::this_thread::yield();
    return 0;
  };
  house.open();
  WirePair wire;
  house.add(wire);
  REQUIRE(enter(wire));
  for (int round = 0; round < 2; ++round) {
    let_it_idle();
    reading = false;
    std::thread other([&] {
      while (!reading) std::this_thread::yield();
      take(house.context->pool, pool_size);
    });
    wire.send(request(cmd_read, 1, disk_size));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the server has to wait for us
    CHECK(wire.receive(simple_reply_size + disk_size).size() == simple_reply_size + disk_size);
    other.join();
  }
  wire.hang_up();
}

TEST_CASE("stop: requests under way are answered, idle clients and those in the handshake are closed") {
  House house;
  std::promise<void> inside, release;
  house.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    inside.set_value();
    release.get_future().wait();
    return 0;
  };
  house.open();
  WirePair busy, idle, silent;
  for (WirePair* wire : {&busy, &idle, &silent}) house.add(*wire);
  REQUIRE(enter(busy));
  REQUIRE(enter(idle));
  let_it_idle();
  busy.send(request(cmd_flush, 5, 0));
  inside.get_future().wait();
  std::thread stops([&] { house.stop(); });
  CHECK(idle.at_end());
  CHECK(silent.receive(greeting_size + 1).size() == greeting_size);
  WirePair late;
  house.add(late);
  CHECK(late.at_end());
  release.set_value();
  const Chunk reply = take_chunk([&](std::size_t n) { return busy.receive(n); });
  CHECK(reply.cookie == 5);
  CHECK(busy.at_end());
  stops.join();
}

namespace {

// An option with `length` bytes of data, of which `data` come.
Bytes option(std::uint32_t number, std::uint32_t length = 0, const Bytes& data = {}) {
  Bytes message(option_header_size);
  put64(message.data(), option_magic);
  put32(message.data() + 8, number);
  put32(message.data() + 12, length);
  append(message, data);
  return message;
}

Bytes flags_of_client() {
  Bytes flags(client_flags_size);
  put32(flags.data(), flag_c_fixed_newstyle | flag_c_no_zeroes);
  return flags;
}

// The options that were answered behind the greeting, and how, up to the end of the stream.
std::vector<std::pair<std::uint32_t, std::uint32_t>> answers(WirePair& wire) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> all;
  if (wire.receive(greeting_size).size() != greeting_size) return all;
  for (;;) {
    const Bytes head = wire.receive(option_reply_header_size);
    if (head.size() != option_reply_header_size) return all;
    all.emplace_back(get32(head.data() + 8), get32(head.data() + 12));
    wire.receive(get32(head.data() + 16));
  }
}

}  // namespace

TEST_CASE("stop: an option of which a part has come is answered, and its rest is not waited for") {
  House house;
  house.open();
  WirePair half, aborts, by_name, begun;
  for (WirePair* wire : {&half, &aborts, &by_name, &begun}) {
    wire->send(flags_of_client());
    house.add(*wire);
  }
  half.send(option(opt_go, 100, Bytes(50)));
  aborts.send(option(opt_abort, 100, Bytes(50)));
  by_name.send(option(opt_export_name, 100, Bytes(50)));
  begun.send(Bytes(5));  // not its header
  house.stop();
  using Answers = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  CHECK(answers(half) == Answers{{opt_go, rep_err_shutdown}});
  CHECK(answers(aborts) == Answers{{opt_abort, rep_ack}});
  CHECK(answers(by_name).empty());
  CHECK(answers(begun).empty());
}

TEST_CASE("stop: nobody enters an export any more; options that came meanwhile are answered") {
  House house;
  house.open();
  std::promise<void> inside, release;
  house.plugin.open = [&](ashlar_error&) { return inside.set_value(), release.get_future().wait(), 0; };
  WirePair wire, idle;
  house.add(wire);
  house.add(idle);
  wire.send(flags_of_client());
  const Bytes list = option(opt_list);
  Bytes go_and_more = option(opt_go, 6, Bytes(6));
  append(go_and_more, Bytes(list.begin(), list.begin() + 5));
  wire.send(go_and_more);
  inside.get_future().wait();
  wire.send(Bytes(list.begin() + 5, list.end()));
  wire.send(option(opt_abort));
  std::thread stops([&] { house.stop(); });
  CHECK(idle.receive(greeting_size + 1).size() == greeting_size);
  release.set_value();
  stops.join();
  using Answers = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
  CHECK(answers(wire) == Answers{{opt_go, rep_err_shutdown}, {opt_list, rep_err_shutdown}, {opt_abort, rep_ack}});
}

TEST_CASE(
    "stop: a client that takes no replies is told from one whose request is in a module; both can be broken off") {
  House house;
  std::promise<void> inside, release;
  house.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_FLUSH) {
      inside.set_value();
      release.get_future().wait();
    }
    return 0;
  };
  house.open();
  WirePair deaf, busy;
  house.add(deaf);
  house.add(busy);
  REQUIRE(enter(deaf));
  REQUIRE(enter(busy));
  busy.send(request(cmd_flush, 1, 0));
  inside.get_future().wait();
  CHECK(house.call([&] { return house.connections->not_taking_replies(); }) == 0);
  for (std::uint64_t i = 0; i < 4; ++i) deaf.send(request(cmd_read, i, disk_size));
  while (house.call([&] { return house.connections->not_taking_replies(); }) == 0) std::this_thread::yield();
  CHECK(house.call([&] { return house.connections->not_taking_replies(); }) == 1);

  std::thread stops([&] { house.stop(); });
  while (house.call([&] { return house.connections->break_off(), house.connections->size(); }) != 1)
    std::this_thread::yield();
  CHECK(busy.at_end());
  release.set_value();
  stops.join();
  CHECK(deaf.receive(4 * disk_size).size() < 4 * disk_size);
}

namespace {

constexpr std::size_t names_listed = 50'000;

std::int32_t list_many(void*, const ashlar_exports_sink* sink, ashlar_error*) noexcept {
  for (std::size_t i = 0; i < names_listed; ++i)
    sink->add(sink->self, std::to_string(100'000 + i).c_str(), "a description that says little in many letters");
  return 0;
}
constexpr ashlar_exports exports_table{sizeof(ashlar_exports), 0, &list_many};

const void* lists(const char* id) noexcept {
  return std::strcmp(id, ASHLAR_EXPORTS_ID) == 0 ? &exports_table : nullptr;
}

Bytes option_list() {
  Bytes talk(client_flags_size + option_header_size);
  put32(talk.data(), flag_c_fixed_newstyle | flag_c_no_zeroes);
  put64(talk.data() + 4, option_magic);
  put32(talk.data() + 12, opt_list);
  return talk;
}

// As of a client that says nothing more behind it.
Bytes option_info() {
  constexpr std::uint32_t no_name_and_no_wishes = 6;
  Bytes talk(client_flags_size + option_header_size + no_name_and_no_wishes);
  put32(talk.data(), flag_c_fixed_newstyle | flag_c_no_zeroes);
  put64(talk.data() + 4, option_magic);
  put32(talk.data() + 12, opt_info);
  put32(talk.data() + 16, no_name_and_no_wishes);
  return talk;
}

// How many exports the reply to LIST has.
std::size_t take_list(WirePair& wire) {
  for (std::size_t exports = 0;; ++exports) {
    const Bytes head = wire.receive(20);
    if (head.size() != 20) return 0;
    wire.receive(get32(head.data() + 16));
    if (get32(head.data() + 12) == rep_ack) return exports;
  }
}

}  // namespace

TEST_CASE("names that a template has listed count as long as their client has not taken them") {
  House house;
  house.plugin.set_extension(&lists);
  house.open(100, long_time, {.name = "images/*", .at = "*"});
  WirePair slow, waits;
  const auto bytes = [&] {
    return house.call([&] {
      std::uint64_t all = 0;
      house.connections->for_each([&](const Peer&, std::uint64_t of_one) { all += of_one; });
      return all;
    });
  };
  house.add(slow);
  REQUIRE(slow.receive(greeting_size).size() == greeting_size);
  slow.send(option_list());
  while (bytes() < 50 * names_listed) std::this_thread::yield();
  // Another one waits until there is room for them.
  auto others = take(house.context->pool, pool_size - (10u << 20));
  house.add(waits);
  REQUIRE(waits.receive(greeting_size).size() == greeting_size);
  waits.send(option_list());
  while (!house.context->pool.wanted()) std::this_thread::yield();
  others.reset();
  CHECK(take_list(waits) == names_listed);
  CHECK(take_list(slow) == names_listed);
  const std::uint64_t two_shares = 4 * BufferPool::usual_capacity;
  while (bytes() > two_shares) std::this_thread::yield();
}

TEST_CASE("a client in the handshake for too long is closed, and the log says why; one beyond it may idle") {
  House house;
  house.open(100, std::chrono::seconds(2));
  house.made->log.logger()->set_level(spdlog::level::debug);
  WirePair gone, silent, good, later;
  house.add(gone);
  house.add(silent);
  house.add(good);
  REQUIRE(enter(good));
  gone.hang_up();
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  house.add(later);
  CHECK(silent.receive(greeting_size + 1).size() == greeting_size);
  CHECK(enter(later));  // it has its own time
  good.send(request(cmd_flush, 1, 0));
  CHECK(good.receive(simple_reply_size).size() == simple_reply_size);
  house.stop();
  CHECK_THAT(house.made->log.text(), ContainsSubstring("ended in the handshake: handshake took too long"));
}

TEST_CASE("a client that waits for layers to open is not late, however long; who is slow before or behind that is") {
  House house;
  house.open(100, std::chrono::seconds(2));
  std::atomic<int> opening{0};
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  house.plugin.open = [&](ashlar_error&) { return ++opening, released.wait(), 0; };
  WirePair waits, dawdles, silent;
  house.add(waits);
  house.add(dawdles);
  auto entered = std::async(std::launch::async, [&] { return enter(waits); });
  REQUIRE(dawdles.receive(greeting_size).size() == greeting_size);
  dawdles.send(option_info());
  while (opening < 2) std::this_thread::yield();
  house.add(silent);
  CHECK(silent.receive(greeting_size + 1).size() == greeting_size);
  release.set_value();
  CHECK(entered.get());
  constexpr std::size_t more_than_answers = 4096;
  const std::size_t answered = dawdles.receive(more_than_answers).size();
  CHECK(answered >= option_reply_header_size);
  CHECK(answered < more_than_answers);  // it has ended
  waits.send(request(cmd_flush, 1, 0));
  CHECK(waits.receive(simple_reply_size).size() == simple_reply_size);
}

TEST_CASE("a session whose socket holds input is run again, though the kernel has none for it") {
  House house;
  house.open();
  WirePair wire;
  auto made = std::make_unique<StrangeSocket>(wire.release_server());
  StrangeSocket& socket = *made;
  house.add(std::move(made));
  REQUIRE(enter(wire));
  socket.holds = true;
  const int before = socket.asked;
  while (socket.asked < before + 3) std::this_thread::yield();
  socket.holds = false;
  let_it_idle();
  wire.send(request(cmd_flush, 1, 0));
  CHECK(wire.receive(simple_reply_size).size() == simple_reply_size);
}

TEST_CASE("a client whose socket cannot be waited for is closed, and the log says why; its layers are closed as well") {
  House house;
  std::promise<std::thread::id> closed;
  house.open();
  house.plugin.close = [&] { closed.set_value(std::this_thread::get_id()); };
  WirePair wire;
  auto made = std::make_unique<StrangeSocket>(wire.release_server());
  StrangeSocket& socket = *made;
  house.add(std::move(made));
  REQUIRE(enter(wire));
  socket.watches_nothing = true;
  CHECK(wire.at_end());
  CHECK(closed.get_future().get() != house.loop.get_id());  // which has other clients to see to
  house.stop();
  CHECK_THAT(house.made->log.text(), ContainsSubstring("Operation not permitted"));
}

TEST_CASE("clients beyond the limit are turned away, the log tells the first; a place that comes free is given again") {
  House house;
  house.open(2);
  WirePair one, two, three, four, five;
  house.add(one);
  house.add(two);
  REQUIRE(enter(one));
  house.add(three);
  CHECK_FALSE(enter(three));
  house.add(four);
  CHECK_FALSE(enter(four));
  one.hang_up();
  std::optional<WirePair> next;
  do house.add(next.emplace());
  while (!enter(*next));
  house.add(five);
  CHECK_FALSE(enter(five));
  house.stop();
  const std::string text = house.made->log.text();
  const std::size_t first = text.find(": turned away: 2 connections are open");
  REQUIRE(first != std::string::npos);
  CHECK(text.find(": turned away: 2 connections are open", first + 1) == std::string::npos);
}

TEST_CASE("a module that takes its time to close holds nobody else") {
  House house;
  std::promise<void> release;
  auto released = release.get_future().share();
  std::atomic<int> closing{0};
  house.open();
  house.plugin.close = [&] {
    ++closing;
    released.wait();
  };
  WirePair leaves, comes;
  house.add(leaves);
  REQUIRE(enter(leaves));
  leaves.hang_up();
  while (closing == 0) std::this_thread::yield();
  house.add(comes);
  CHECK(enter(comes));
  release.set_value();
  house.stop();
}

TEST_CASE("many clients come, ask and go at once: every one is served, and no descriptor stays open") {
  const auto open_descriptors = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
  };
  const auto before = open_descriptors();
  std::atomic<int> served{0};
  {
    House house;
    house.open();
    std::vector<std::thread> clients;
    for (int t = 0; t < 8; ++t)
      clients.emplace_back([&, t] {
        for (int i = 0; i < 25; ++i) {
          WirePair wire;
          house.add(wire);
          if (!enter(wire)) continue;
          wire.send(request(cmd_read, 1, 1000));
          served += wire.receive(simple_reply_size + 1000).size() == simple_reply_size + 1000;
          if ((i + t) % 2 == 0) wire.send(request(cmd_disc, 0, 0));
        }
      });
    for (std::thread& client : clients) client.join();
    house.stop();
    house.io.reset();
  }
  CHECK(served == 200);
  CHECK(open_descriptors() == before);
}

TEST_CASE("modules are told who the client is, by its socket and by TLS") {
  House house;
  struct Told {
    std::int64_t uid, gid, pid;
    std::string tls_name, psk_identity, export_name;
  };
  std::optional<Told> told;
  std::atomic<int> opened{0};  // by clients, so that `told` may be read
  house.plugin.open_how = [&](const ashlar_open& how) {
    const auto text = [](const char* of) { return std::string(of != nullptr ? of : "none"); };
    if (const ashlar_client* c = how.client; c != nullptr)
      told = Told{c->uid, c->gid, c->pid, text(c->tls_name), text(c->psk_identity), text(c->export_name)};
    ++opened;
    return 0;
  };
  house.open();
  Peer peer;
  int before = opened;
  peer.uid = 107;
  peer.gid = 36;
  peer.pid = 4711;
  for (const auto& [tls, name, psk] :
       {std::tuple{std::optional<TlsIdentity>(), "none", "none"},
        std::tuple{std::optional(TlsIdentity{.name = "CN=host1", .psk = ""}), "CN=host1", "none"},
        std::tuple{std::optional(TlsIdentity{.name = "", .psk = "alice"}), "none", "alice"}}) {
    peer.tls = tls;
    WirePair wire;
    house.add(wire.make_socket(), peer);
    REQUIRE(enter(wire));
    REQUIRE(opened > before);
    before = opened;
    REQUIRE(told);
    CHECK(told->uid == 107);
    CHECK(told->gid == 36);
    CHECK(told->pid == 4711);
    CHECK(told->tls_name == name);
    CHECK(told->psk_identity == psk);
    CHECK(told->export_name.empty());
    wire.hang_up();
  }
}

}  // namespace ashlar::host
