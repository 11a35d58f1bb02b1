// Clients from their first byte to their last, over real sockets, with a loop that waits for the idle ones.
#include "server/connections.hpp"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <optional>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"
#include "session/wire_pair.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

constexpr std::uint32_t size = 16u << 20;
constexpr std::size_t memory = 256u << 20;  // for large buffers
constexpr std::chrono::milliseconds long_time{60'000};

struct House {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  std::unique_ptr<FakeExport> made;
  std::unique_ptr<boost::asio::io_context> io = std::make_unique<boost::asio::io_context>(1);
  std::unique_ptr<SessionContext> context;
  std::unique_ptr<Connections> connections;
  std::thread loop;
  std::chrono::milliseconds grace = long_time;

  House() {
    plugin.geometry.bytes = size;
    plugin.geometry.flags = 0;
    plugin.process = [](ashlar_io& io_, const ashlar_open&) {
      if (io_.op == ASHLAR_OP_READ) std::memset(io_.data, 'a', io_.length);
      return 0;
    };
  }
  void open(std::size_t most = 100, std::chrono::milliseconds handshake_timeout = long_time) {
    made = std::make_unique<FakeExport>(std::vector<FakeModule*>{&plugin});
    context.reset(new SessionContext{.log = made->log.logger(),
                                     .exports = {},
                                     .max_payload = 32u << 20,
                                     .handshake_timeout = handshake_timeout,
                                     .busy_poll = {},
                                     .company = {},
                                     .pool = BufferPool(memory),
                                     .executor = Executor(8)});
    context->exports.push_back(made->release());
    connections = std::make_unique<Connections>(*io, *context, most);
    work_.emplace(boost::asio::make_work_guard(*io));
    loop = std::thread([this] { io->run(); });
  }
  void add(WirePair& wire) {
    std::promise<void> added;
    boost::asio::post(*io, [&, fd = wire.release_server()] {
      connections->add(fd, "client");
      added.set_value();
    });
    added.get_future().wait();
  }
  // As the server stops; returns when the last client is gone.
  void stop() {
    if (!loop.joinable()) return;
    std::promise<void> gone;
    boost::asio::post(*io, [&] {
      connections->stop(grace, [&] {
        work_.reset();
        gone.set_value();
      });
    });
    gone.get_future().wait();
    loop.join();
    connections.reset();
    context.reset();
  }
  ~House() { stop(); }

 private:
  // Keeps the loop running while it waits for nobody.
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> work_;
};

// Through the handshake; replies are simple then.
bool enter(WirePair& wire) {
  if (wire.receive(greeting_size).size() != greeting_size) return false;
  Bytes talk(client_flags_size + option_header_size);
  put32(talk.data(), flag_c_fixed_newstyle | flag_c_no_zeroes);
  put64(talk.data() + 4, option_magic);
  put32(talk.data() + 12, opt_export_name);
  put32(talk.data() + 16, 0);
  return wire.send(talk) && wire.receive(10).size() == 10;
}

Bytes request(std::uint16_t type, std::uint64_t cookie, std::uint32_t length) {
  Bytes b(request_size);
  put32(b.data(), request_magic);
  put16(b.data() + 6, type);
  put64(b.data() + 8, cookie);
  put32(b.data() + 24, length);
  return b;
}

void let_it_idle() { std::this_thread::sleep_for(3 * Transmission::patience); }

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
      house.context->pool.take(memory);
    });
    wire.send(request(cmd_read, 1, size));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the server has to wait for us
    CHECK(wire.receive(simple_reply_size + size).size() == simple_reply_size + size);
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
  release.set_value();
  const Chunk reply = take_chunk([&](std::size_t n) { return busy.receive(n); });
  CHECK(reply.cookie == 5);
  CHECK(busy.at_end());
  stops.join();
}

TEST_CASE("stop: a client that takes no replies is broken off when the grace is over") {
  House house;
  house.grace = std::chrono::milliseconds(50);
  house.open();
  WirePair wire;
  house.add(wire);
  REQUIRE(enter(wire));
  for (std::uint64_t i = 0; i < 4; ++i) wire.send(request(cmd_read, i, size));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  house.stop();
  CHECK(wire.receive(4 * size).size() < 4 * size);
}

TEST_CASE("a client in the handshake for too long is closed, and the log says why; one beyond it may idle") {
  House house;
  house.open(100, std::chrono::seconds(2));
  WirePair silent, good;
  house.add(good);
  REQUIRE(enter(good));
  house.add(silent);
  CHECK(silent.receive(greeting_size + 1).size() == greeting_size);
  good.send(request(cmd_flush, 1, 0));
  CHECK(good.receive(simple_reply_size).size() == simple_reply_size);
  house.stop();
  CHECK_THAT(house.made->log.text(), ContainsSubstring("closed in the handshake: handshake took too long"));
}

TEST_CASE("clients beyond the limit are turned away; a place that comes free is given again") {
  House house;
  house.open(2);
  WirePair one, two, three, four;
  house.add(one);
  house.add(two);
  REQUIRE(enter(one));
  house.add(three);
  CHECK_FALSE(enter(three));
  house.add(four);
  CHECK_FALSE(enter(four));
  one.hang_up();
  for (;;) {
    WirePair next;
    house.add(next);
    if (enter(next)) break;
  }
  house.stop();
  const std::string text = house.made->log.text();
  CHECK_THAT(text, ContainsSubstring("turned away"));
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

}  // namespace ashlar::host
