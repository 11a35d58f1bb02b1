#include "session/outlet.hpp"

#include <fcntl.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "matchers.hpp"
#include "parts.hpp"

namespace ashlar::host {
namespace {

class TempFile {
 public:
  explicit TempFile(const Bytes& contents) {
    char path[] = "/tmp/ashlar-outlet-XXXXXX";
    fd_ = ::mkstemp(path);
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), path);
    ::unlink(path);
    if (::write(fd_, contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()))
      throw std::runtime_error("short write");
  }
  ~TempFile() { ::close(fd_); }
  TempFile(const TempFile&) = delete;
  TempFile& operator=(const TempFile&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A reply of one frame: size, seed, and bytes that depend on both.
constexpr std::size_t frame_head = 8;
Bytes frame(std::uint32_t size, std::uint32_t seed) {
  Bytes bytes(frame_head);
  protocol::put32(bytes.data(), size);
  protocol::put32(bytes.data() + 4, seed);
  append(bytes, pattern(size, seed));
  return bytes;
}

class FakeReply final : public Posted {
 public:
  explicit FakeReply(Bytes bytes) : bytes_(std::move(bytes)) {}
  std::span<std::byte> bytes() override { return bytes_; }
  void sent(bool left) noexcept override {
    has_left = left;
    bytes_.clear();  // no longer needed: whoever still reads them is found out
    bytes_.shrink_to_fit();
    ++times;
  }
  std::atomic<int> times{0};
  std::atomic<bool> has_left{false};

 private:
  Bytes bytes_;
};

// Reads a frame; false when it is not whole or not as it was made.
bool receive_frame(WirePair& wire, std::size_t portion) {
  const Bytes head = wire.receive(frame_head, portion);
  if (head.size() != frame_head) return false;
  const std::uint32_t size = protocol::get32(head.data());
  return size < 16 * mib && wire.receive(size, portion) == pattern(size, protocol::get32(head.data() + 4));
}

struct OutletFixture {
  BufferPool pool{with_room(mib)};
  Parts parts{pool};
  WirePair& wire = parts.wire;
  Workers workers{1};
  Outlet outlet{*parts.socket, workers, parts.memory, parts.waits_to_send, Pace(std::chrono::seconds(2))};
};

}  // namespace

TEST_CASE("bytes go out whole through a send buffer that takes a few at a time") {
  OutletFixture f;
  f.wire.limit_send_buffer(1);
  const Bytes sent = pattern(300'000, 1);
  std::thread server([&] {
    f.outlet.send(std::span(sent).first(1));
    std::vector<iovec> parts;
    for (std::size_t at = 1; at < sent.size();) {
      const std::size_t n = std::min(sent.size() - at, 1 + at % 10'000);
      parts.push_back({const_cast<std::byte*>(sent.data() + at), n});
      at += n;
    }
    f.outlet.send(parts);
  });
  CHECK(f.wire.receive(sent.size(), 777) == sent);
  server.join();
  CHECK_FALSE(f.outlet.broken());
}

TEST_CASE("replies of many threads and lent data never mix, and each is told once that it was sent") {
  OutletFixture f;
  f.wire.limit_send_buffer(4000);
  constexpr std::uint32_t threads = 6, each = 60, own = 120;
  const Bytes contents = pattern(50'000, 999);
  const TempFile file(contents);
  std::deque<FakeReply> replies;
  for (std::uint32_t i = 0; i < threads * each; ++i) replies.emplace_back(frame(i * 37 % 9000, i));
  std::vector<std::thread> workers;
  for (std::uint32_t t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      for (std::uint32_t i = 0; i < each; ++i) f.outlet.post(replies[t * each + i], Outlet::From::session);
    });
  std::thread session([&] {
    for (std::uint32_t i = 0; i < own; ++i) {
      if (i % 3 != 0 || !f.wire.sends_files()) {
        f.outlet.send(frame(i, i));
      } else {
        Bytes head(frame_head);
        protocol::put32(head.data(), static_cast<std::uint32_t>(contents.size()));
        protocol::put32(head.data() + 4, 999);
        f.outlet.send_lent(head, file.fd(), 0, contents.size(), true);
      }
    }
  });
  int whole = 0;
  for (std::uint32_t i = 0; i < threads * each + own; ++i) whole += receive_frame(f.wire, 3000);
  for (std::thread& worker : workers) worker.join();
  session.join();
  CHECK(whole == threads * each + own);
  for (const FakeReply& reply : replies) CHECK(reply.times == 1);
}

TEST_CASE("a client that has gone: what is sent is dropped, and told to be sent all the same") {
  OutletFixture f;
  f.wire.limit_send_buffer(1);
  std::deque<FakeReply> replies;
  for (std::uint32_t i = 0; i < 200; ++i) replies.emplace_back(frame(5000, i));
  std::vector<std::thread> workers;
  for (std::size_t t = 0; t < 4; ++t)
    workers.emplace_back([&, t] {
      for (std::size_t i = 0; i < 50; ++i) f.outlet.post(replies[50 * t + i], Outlet::From::session);
    });
  CHECK(receive_frame(f.wire, 100));
  f.wire.hang_up();
  for (std::thread& worker : workers) worker.join();
  for (const FakeReply& reply : replies) CHECK(reply.times == 1);
  CHECK(f.outlet.broken());
  const TempFile file(pattern(10, 1));
  f.outlet.send(pattern(10, 1));
  CHECK_FALSE(f.outlet.send_lent(pattern(10, 1), file.fd(), 0, 10, true).left);
}

// A framed socket cannot send from a file.
TEST_CASE("lent data come from the file's offset, behind their header", "[unframed]") {
  OutletFixture f;
  const Bytes contents = pattern(3 * mib, 5);
  const TempFile file(contents);
  const Bytes header = pattern(100, 6);
  int error = -1;
  std::thread server([&] {
    error = f.outlet.send_lent(header, file.fd(), 12'345, 2 * mib, false).error;
    f.outlet.send(pattern(3, 7));
  });
  CHECK(f.wire.receive(100) == header);
  const Bytes got = f.wire.receive(2 * mib);
  CHECK(std::equal(got.begin(), got.end(), contents.begin() + 12'345));
  CHECK(f.wire.receive(3) == pattern(3, 7));
  server.join();
  CHECK(error == 0);
}

TEST_CASE("a lent file that ends midway: zeroes keep the stream in step, or else it ends", "[unframed]") {
  OutletFixture f;
  const Bytes contents = pattern(10'000, 5);
  const TempFile file(contents);
  const bool pad = GENERATE(true, false);
  int error = 0;
  std::thread server([&] {
    error = f.outlet.send_lent(pattern(1, 1), file.fd(), 4000, 20'000, pad).error;
    f.outlet.send(pattern(3, 7));
  });
  CHECK(f.wire.receive(1) == pattern(1, 1));
  const Bytes got = f.wire.receive(6000);
  CHECK(std::equal(got.begin(), got.end(), contents.begin() + 4000, contents.end()));
  if (pad) {
    CHECK(f.wire.receive(14'000) == Bytes(14'000));
    CHECK(f.wire.receive(3) == pattern(3, 7));
  } else {
    CHECK(f.wire.at_end());  // rather than letting the client wait for the rest
  }
  server.join();
  CHECK(error == EIO);
  CHECK(f.outlet.broken() == !pad);
}

TEST_CASE("a lent descriptor that cannot be read gives its errno", "[unframed]") {
  OutletFixture f;
  CHECK(f.outlet.send_lent(pattern(1, 1), -1, 0, 5000, true).error == EBADF);
  CHECK(f.wire.receive(5001).size() == 5001);
}

TEST_CASE("a worker that waits for the client gives its place to others meanwhile, and has it back behind that") {
  OutletFixture f;
  f.wire.limit_send_buffer(1);
  REQUIRE(f.workers.take());
  FakeReply reply(frame(mib, 1));
  std::thread worker([&] { f.outlet.post(reply, Outlet::From::worker); });
  while (!f.workers.take()) std::this_thread::yield();
  CHECK(receive_frame(f.wire, mib));
  worker.join();
  CHECK(reply.times == 1);
  // Both have one now, of a single place.
  f.workers.give_back();
  CHECK_FALSE(f.workers.take());
  f.workers.give_back();
  CHECK(f.workers.take());
}

TEST_CASE("a client that takes nothing is waited for, unless others wait for memory") {
  OutletFixture f;
  f.wire.limit_send_buffer(1);
  f.wire.limit_client_waiting(10'000);
  SECTION("slow, but memory is plenty") {
    const Bytes sent = pattern(300'000, 1);
    std::thread server([&] { f.outlet.send(sent); });
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    CHECK(f.wire.receive(sent.size()) == sent);
    server.join();
    CHECK_FALSE(f.outlet.broken());
  }
  SECTION("memory is short, and the client takes nothing") {
    auto held = take(f.pool, mib);
    std::thread other([&] { take(f.pool, mib); });
    while (!f.pool.wanted()) std::this_thread::yield();
    f.outlet.send(pattern(mib, 1));
    CHECK(f.outlet.broken());
    CHECK(f.outlet.too_slow());
    held.reset();
    other.join();
    CHECK(f.wire.receive(mib).size() < mib);
  }
  // The kernel's patience begins anew with each little, so one send of a long piece may last and last.
  SECTION("memory is short, and the client takes a little now and then") {
    const std::chrono::milliseconds pause(GENERATE(10, 100, 150));
    const std::size_t portion = 200 * static_cast<std::size_t>(pause.count());  // 200 kB/s
    auto held = take(f.pool, mib);
    std::thread other([&] { take(f.pool, mib); });
    while (!f.pool.wanted()) std::this_thread::yield();
    std::thread drips([&] {
      while (!f.outlet.broken() && f.wire.receive(portion).size() == portion) std::this_thread::sleep_for(pause);
    });
    f.outlet.send(pattern(4 * mib, 1));
    CHECK(f.outlet.too_slow());
    drips.join();
    held.reset();
    other.join();
  }
  SECTION("memory is short, but only this client wants it") {
    auto held = take(f.pool, mib);
    f.parts.memory.set_give_back([&] {});
    std::thread session([&] { CHECK(f.parts.memory.take(mib) != nullptr); });
    while (!f.pool.wanted()) std::this_thread::yield();
    CHECK_FALSE(f.parts.memory.wanted_by_others());
    held.reset();
    session.join();
  }
}

namespace {

// Takes what is first sent, whole, and nothing more. `meanwhile` is called before that.
class OnceSocket final : public Socket {
 public:
  explicit OnceSocket(std::function<void()> meanwhile) : meanwhile_(std::move(meanwhile)) {}
  ssize_t receive(std::span<std::byte>, Wait) override { return 0; }
  bool has_input() override { return false; }
  bool wait_for_input() override { return false; }
  bool holds_input() const override { return false; }
  bool is_gone() override { return false; }
  int watched_descriptor() const override { return -1; }
  ssize_t send(std::span<const iovec> parts, Wait, bool more) override {
    if (taken_) return -EPIPE;
    meanwhile_();
    taken_ = !more;
    ssize_t bytes = 0;
    for (const iovec& part : parts) bytes += static_cast<ssize_t>(part.iov_len);
    return bytes;
  }
  bool can_send_files() const override { return true; }
  std::optional<FileSent> of_files;  // what sending one comes to; none: it is taken
  FileSent send_file(int, std::uint64_t, std::size_t length) override {
    if (of_files) return *of_files;
    taken_ = true;
    return {.bytes = static_cast<ssize_t>(length)};
  }
  void abort() override {}
  void finish() noexcept override {}

 private:
  const std::function<void()> meanwhile_;
  bool taken_ = false;
};

}  // namespace

TEST_CASE("whose error it was that ended a lent read is not guessed by its number") {
  OutletFixture f;
  const bool of_connection = GENERATE(true, false);
  OnceSocket socket([] {});
  socket.of_files = {.bytes = -ENOMEM, .is_of_connection = of_connection};
  Outlet outlet(socket, f.workers, f.parts.memory, f.parts.waits_to_send);
  const Outlet::Lent lent = outlet.send_lent(pattern(10, 1), 0, 0, 10, true);
  CHECK(lent.error == (of_connection ? 0 : ENOMEM));
  CHECK(lent.left == !of_connection);
  CHECK(outlet.broken() == of_connection);
}

TEST_CASE("what has left has left, also when the connection breaks right behind it") {
  OutletFixture f;
  FakeReply behind(pattern(10, 2)), first(pattern(10, 3));
  Outlet* to = nullptr;
  bool posted = false;
  OnceSocket socket([&] {
    if (!std::exchange(posted, true)) to->post(behind, Outlet::From::session);
  });
  Outlet outlet(socket, f.workers, f.parts.memory, f.parts.waits_to_send);
  to = &outlet;
  SECTION("sent by the session") { CHECK(outlet.send(pattern(10, 1))); }
  SECTION("lent") { CHECK(outlet.send_lent(pattern(10, 1), 0, 0, 10, false).left); }
  SECTION("posted") {
    outlet.post(first, Outlet::From::session);
    CHECK(first.has_left);
  }
  CHECK(outlet.broken());
  CHECK(behind.times == 1);
  CHECK_FALSE(behind.has_left);
  CHECK_FALSE(outlet.send(pattern(10, 1)));
}

}  // namespace ashlar::host
