// How a session ends: what is answered, done, left undone.
#include "session/transmission.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <string>

#include "served.hpp"

namespace ashlar::host {
namespace {
using namespace protocol;
}

TEST_CASE("a client that goes away at any byte of its requests ends its session, with the writes that were whole") {
  FakeDisk disk;
  disk.open();
  Bytes stream = Served::write_request(1, 0, pattern(60, 3));
  append(stream, Served::request(cmd_write, 2, 1000, 60));
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Served s(disk);
    s.wire.send(std::span(stream).first(cut));
    if (cut % 2 == 0) s.wire.hang_up();
    else ::shutdown(s.wire.client(), SHUT_WR);
    INFO("cut at " << cut);
    const bool between = cut == 0 || cut == request_size + 60;
    // One that hung up without reading the reply to its first request: that the reply was in vain may be seen first.
    const bool in_vain = s.reason() == "replies could not be sent" || s.reason() == std::strerror(ECONNRESET);
    const bool unreachable = cut % 2 == 0 && cut >= request_size + 60 && in_vain;
    if (!unreachable) CHECK(s.reason() == (between ? "closed by the client" : "closed within a request"));
    CHECK(s.counts.ended() == (cut < request_size + 60 ? 0 : 1));
  }
  CHECK(disk.contents(0, 60) == pattern(60, 3));
}

TEST_CASE("of a client that has gone away, writes are done and reads are not") {
  FakeDisk disk(2 << 20);
  std::atomic<int> reads{0}, writes{0};
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    ++(io.op == ASHLAR_OP_READ ? reads : writes);
    return disk.serve(io);
  };
  disk.open();
  Served s(disk, false);
  Bytes all;
  for (std::uint64_t i = 0; i < 64; ++i) append(all, Served::request(cmd_read, i, 0, 1 << 20));
  append(all, Served::write_request(64, 0, Bytes(100)));
  s.wire.send(all);
  s.wire.receive(simple_reply_size);
  s.wire.hang_up();
  s.reason();
  CHECK(reads < 32);
  CHECK(writes == 1);
  CHECK(s.counts.begun == 65);
  CHECK(s.counts.in_flight() == 0);  // those that were not done are counted, too
}

TEST_CASE("a half-closed client gets the replies to all it has asked") {
  FakeDisk disk;
  disk.open();
  Served s(disk);
  for (std::uint64_t i = 0; i < 50; ++i) s.wire.send(Served::request(cmd_read, i, i * 1000, 1000));
  ::shutdown(s.wire.client(), SHUT_WR);
  for (int i = 0; i < 50; ++i) {
    const Chunk c = s.chunk();
    CHECK(Served::data(c) == disk.contents(c.cookie * 1000, 1000));
  }
  CHECK(s.wire.at_end());
}

TEST_CASE("DISC: what is under way is done and answered first, what follows is not looked at") {
  FakeDisk disk;
  std::promise<void> inside, release;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    inside.set_value();
    release.get_future().wait();
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  Bytes stream = Served::write_request(1, 0, pattern(5000, 3));
  append(stream, Served::request(cmd_disc, 0, 0, 0));
  append(stream, Served::write_request(2, 0, pattern(5000, 4)));
  s.wire.send(stream);
  inside.get_future().wait();
  release.set_value();
  CHECK(s.chunk().cookie == 1);
  CHECK(s.wire.at_end());
  CHECK(s.reason() == "disconnected");
  CHECK(s.counts.of(Op::write).bytes == 5000);
  CHECK(disk.contents(0, 5000) == pattern(5000, 3));
}

TEST_CASE("told to stop, the session answers what is under way and ends") {
  FakeDisk disk;
  std::promise<void> inside, release;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    inside.set_value();
    release.get_future().wait();
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  s.wire.send(Served::request(cmd_read, 1, 0, 5000));
  inside.get_future().wait();
  s.stop();
  release.set_value();
  CHECK(Served::data(s.chunk()) == disk.contents(0, 5000));
  CHECK(s.reason() == "the server stops");
}

TEST_CASE("told to stop while a connection ends that is out of step: nothing more of it is taken for requests") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  std::promise<void> release;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op != ASHLAR_OP_TRIM) return 0;
    if ((io.flags & ASHLAR_NOWAIT) != 0) return EAGAIN;
    release.get_future().wait();
    return 0;
  };
  disk.open();
  Served s(disk, false);
  Bytes all = Served::request(cmd_trim, 1, 0, 4096);
  append(all, Served::request(cmd_flush, 2, 0, 0));
  append(all, Served::request(cmd_flush, 3, 0, 0, 0, 0x12345678));  // no magic of a request
  s.wire.send(all);
  CHECK(s.chunk().cookie == 2);  // from here on it waits for what is under way
  s.stop();
  s.wire.send(Served::request(cmd_flush, 4, 0, 0));
  release.set_value();
  CHECK(s.chunk().cookie == 1);
  CHECK(s.wire.at_end());
  CHECK(s.reason() == "wrong request magic");
}

TEST_CASE("told to stop, the session carries out nothing that it has not begun, and says so") {
  FakeDisk disk;
  const bool nowait = GENERATE(true, false);
  if (nowait) disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  std::promise<void> inside, release;
  const std::shared_future<void> released = release.get_future().share();
  std::atomic<int> begun{0};
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (begun++ == 0) inside.set_value();
    released.wait();  // of all: else workers could have done with them before the session is told to stop
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  constexpr std::uint64_t others = 300;  // all lie in the socket when the session looks
  Bytes all = Served::request(cmd_flush, 0, 0, 0);
  for (std::uint64_t i = 1; i <= others; ++i)
    append(all, i % 100 == 0 ? Served::write_request(i, 0, pattern(5000, 1)) : Served::request(cmd_flush, i, 0, 0));
  const Bytes before = disk.contents(0, 5000);
  auto client = std::async(std::launch::async, [&] { s.wire.send(all); });
  inside.get_future().wait();
  client.get();  // what is under way may be more than one record of TLS
  s.stop();
  release.set_value();
  std::uint64_t refused = 0, done = 0;
  for (std::uint64_t i = 0; i <= others; ++i) {
    const Chunk c = s.chunk();
    if (c.error == error_eshutdown) {
      ++refused;
      // Not that the server stops: it may be a reload that ends the client.
      const std::string text(reinterpret_cast<const char*>(c.payload.data()) + 6, c.payload.size() - 6);
      if (text != "this connection is ending") FAIL(text);
    } else {
      done += c.error == error_none;
    }
  }
  CHECK(s.reason() == "the server stops");
  CHECK(done + refused == others + 1);
  CHECK(done == static_cast<std::uint64_t>(begun));
  CHECK(refused > 0);
  CHECK(s.wire.at_end());
}

TEST_CASE("of a client that has gone nothing is begun but what it wrote") {
  FakeDisk disk;
  std::promise<void> inside, release;
  std::atomic<int> begun{0}, writes{0};
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_WRITE) ++writes;
    if (begun++ == 0) {
      inside.set_value();
      release.get_future().wait();
    }
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  Bytes all;
  for (std::uint64_t i = 0; i < 3000; ++i) append(all, Served::request(cmd_write_zeroes, i, 0, 4096));
  append(all, Served::write_request(3000, 0, Bytes(100)));
  s.wire.send(all);
  inside.get_future().wait();
  s.wire.hang_up();
  release.set_value();
  s.reason();
  CHECK(begun < 1000);
  CHECK(writes == 1);
}

}  // namespace ashlar::host
