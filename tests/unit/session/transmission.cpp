// The request loop, from the client's side.
#include "session/transmission.hpp"

#include <atomic>
#include <cerrno>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "cold_disk.hpp"
#include "served.hpp"

namespace ashlar::host {
namespace {
using namespace protocol;
}

TEST_CASE("requests split at every byte are served, the last one too") {
  FakeDisk disk;
  disk.open();
  const Bytes payload = pattern(100, 3);
  Bytes stream = Served::write_request(1, 50, payload);
  append(stream, Served::request(cmd_read, 2, 0, 200));
  append(stream, Served::request(cmd_flush, 3, 0, 0));
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Served s(disk);
    s.wire.send(std::span(stream).first(cut));
    std::this_thread::yield();
    s.wire.send(std::span(stream).subspan(cut));
    std::map<std::uint64_t, Chunk> replies;
    for (int i = 0; i < 3; ++i) {
      Chunk c = s.chunk();
      replies[c.cookie] = std::move(c);
    }
    INFO("cut at " << cut);
    REQUIRE(replies.size() == 3);
    CHECK((replies[1].error == 0 && replies[2].error == 0 && replies[3].error == 0));
    CHECK(Served::data(replies[2]).size() == 200);
  }
  CHECK(disk.contents(50, 100) == payload);
}

TEST_CASE("what came with the handshake has arrived when transmission begins") {
  FakeDisk disk;
  const auto now = [] { return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1); };
  std::atomic<std::uint64_t> arrived{0};
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    arrived = io.arrived;
    return disk.serve(io);
  };
  disk.open();
  const auto before = static_cast<std::uint64_t>(now());
  Served s(disk, true, 32u << 20, Served::request(cmd_read, 1, 0, 512));
  CHECK(s.chunk().cookie == 1);
  CHECK(arrived >= before);
}

TEST_CASE("a request that blocks is overtaken, inline or on workers") {
  FakeDisk disk;
  const bool nowait = GENERATE(true, false);
  if (nowait) disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  std::promise<void> release;
  auto released = release.get_future().share();
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_FLUSH) {
      if (io.flags & ASHLAR_NOWAIT) return EAGAIN;
      released.wait();
    }
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  s.wire.send(Served::request(cmd_flush, 1, 0, 0));
  s.wire.send(Served::request(cmd_read, 2, 10, 20));
  const Chunk overtakes = s.chunk();
  CHECK(overtakes.cookie == 2);
  CHECK(Served::data(overtakes) == disk.contents(10, 20));
  release.set_value();
  CHECK(s.chunk().cookie == 1);
}

TEST_CASE("an over-long payload is refused and drained; the request behind it is served") {
  FakeDisk disk(4 << 20);
  disk.open();
  constexpr std::uint32_t most = 64 << 10;
  Served s(disk, true, most);
  const Bytes before = disk.contents(0, 1 << 20);
  const std::uint32_t size = GENERATE(most + 1, 1u << 20, 3u << 20);
  Bytes stream = Served::write_request(1, 0, pattern(size, 3));
  append(stream, Served::write_request(2, 0, pattern(10, 4)));
  auto client = std::async(std::launch::async, [&] { s.wire.send(stream); });
  std::map<std::uint64_t, std::uint32_t> errors;  // of each cookie: the replies may come in any order
  for (int i = 0; i < 2; ++i) {
    const Chunk chunk = s.chunk();
    errors[chunk.cookie] = chunk.error;
  }
  CHECK(errors == std::map<std::uint64_t, std::uint32_t>{{1, error_einval}, {2, error_none}});
  client.get();
  CHECK(disk.contents(0, 10) == pattern(10, 4));
  CHECK(disk.contents(10, 1000) == Bytes(before.begin() + 10, before.begin() + 1010));
  s.wire.send(Served::request(cmd_read, 3, 0, most + 1));
  CHECK(s.chunk().error == error_eoverflow);
}

TEST_CASE("a client may claim 4 GiB-1 and go away instead of sending them") {
  FakeDisk disk;
  disk.open();
  Served s(disk);
  s.wire.send(Served::request(cmd_write, 1, 0, UINT32_MAX));
  s.wire.send(pattern(100'000, 1));
  s.wire.hang_up();
  CHECK(s.reason() == "closed within a request");
}

TEST_CASE("a refused write is answered when all of it has been sent, not before") {
  FakeDisk disk;
  disk.open();
  Served s(disk, true, 64 << 10);
  const Bytes write = Served::write_request(1, 0, Bytes(100'000));
  s.wire.send(std::span(write).first(write.size() - 1));
  s.wire.limit_client_waiting(300);
  CHECK(s.wire.receive(1).empty());
  s.wire.limit_client_waiting(20'000);
  s.wire.send(std::span(write).last(1));
  CHECK(s.chunk().error == error_einval);
}

TEST_CASE("wrong magic ends this session, after the replies to what came before") {
  FakeDisk disk;
  disk.open();
  Served s(disk);
  const std::uint16_t type = GENERATE(cmd_read, cmd_disc);
  Bytes stream = Served::request(cmd_read, 1, 0, 10);
  append(stream, Served::request(type, 2, 0, 10, 0, 0x25609514));
  s.wire.send(stream);
  CHECK(s.chunk().cookie == 1);
  CHECK(s.wire.at_end());
  CHECK(s.reason() == "wrong request magic");
}

TEST_CASE("lent data reach the client, and a file that ends midway does not leave it waiting", "[unframed]") {
  ColdDisk cold(100'000);
  cold.lent_cold = false;
  cold.disk.open();
  const Bytes contents = cold.disk.contents(0, 100'000);
  const bool structured = GENERATE(true, false);
  Served s(cold.disk, structured);
  for (std::uint64_t i = 0; i < 3; ++i) s.wire.send(Served::request(cmd_read, i, i * 20'000, 20'000));
  s.wire.send(Served::request(cmd_read, 3, 90'000, 20'000));
  s.wire.send(Served::request(cmd_read, 4, 0, 1));
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Chunk c = s.chunk();
    CHECK(c.cookie == i);
    const Bytes got = structured ? Served::data(c) : s.wire.receive(20'000);
    CHECK(std::equal(got.begin(), got.end(), contents.begin() + static_cast<std::ptrdiff_t>(i) * 20'000));
    if (structured) CHECK(s.chunk().done());
  }
  if (structured) {
    CHECK(Served::data(s.chunk()).size() == 20'000);
    CHECK(s.chunk().error == error_eio);
    CHECK(Served::data(s.chunk()) == Bytes(contents.begin(), contents.begin() + 1));
  } else {
    CHECK(s.chunk().error == 0);
    CHECK(s.wire.receive(20'000).size() < 20'000);  // and the end of the stream
  }
  s.wire.hang_up();
  s.reason();
}

TEST_CASE("random requests of all kinds, many in flight, against a model") {
  const std::uint32_t flags = GENERATE(0u, static_cast<std::uint32_t>(ASHLAR_NOWAIT));
  FakeDisk disk(1 << 20);
  disk.plugin.geometry.flags = flags;
  std::atomic<unsigned> calls{0};
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if ((io.flags & ASHLAR_NOWAIT) != 0 && calls++ % 3 == 0) return EAGAIN;
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  s.wire.limit_send_buffer(20'000);
  // Each slot of the disk has one request in flight at most, so that the outcome is known.
  constexpr std::uint32_t slots = 32, slot_size = 32'768, rounds = 3000;
  struct InFlight {
    bool write;
    std::uint32_t offset, length;
  };
  Bytes model = disk.contents(0, 1 << 20);
  std::map<std::uint64_t, InFlight> in_flight;
  std::mt19937 random(7);
  const auto below = [&](std::uint32_t limit) { return static_cast<std::uint32_t>(random()) % limit; };
  std::uint32_t sent = 0;
  const auto send_one = [&](std::uint32_t slot) {
    const std::uint32_t length = 1 + below(below(4) == 0 ? slot_size : 600);
    const std::uint32_t offset = slot * slot_size + below(slot_size - length + 1);
    const bool write = below(2) == 0;
    in_flight[slot] = {write, offset, length};
    if (write) {
      const Bytes payload = pattern(length, ++sent);
      std::copy(payload.begin(), payload.end(), model.begin() + offset);
      return s.wire.send(Served::write_request(slot, offset, payload));
    }
    ++sent;
    return s.wire.send(Served::request(cmd_read, slot, offset, length));
  };
  for (std::uint32_t slot = 0; slot < slots; ++slot) REQUIRE(send_one(slot));
  while (!in_flight.empty()) {
    const Chunk c = s.chunk();
    const auto asked = in_flight.find(c.cookie);
    REQUIRE(asked != in_flight.end());
    REQUIRE(c.error == 0);
    const auto [write, offset, length] = asked->second;
    if (!write && Served::data(c) != Bytes(model.begin() + offset, model.begin() + offset + length))
      FAIL("wrong bytes");
    in_flight.erase(asked);
    if (sent < rounds) REQUIRE(send_one(static_cast<std::uint32_t>(c.cookie)));
  }
  CHECK(disk.contents(0, 1 << 20) == model);
  s.wire.send(Served::request(cmd_disc, 0, 0, 0));
  CHECK(s.reason() == "disconnected");
  CHECK(s.counts.ended() == rounds);
}

}  // namespace ashlar::host
