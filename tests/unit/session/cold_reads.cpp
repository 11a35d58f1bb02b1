// Reads of data that are on the disk, from the client's side.
#include <fcntl.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "cold_disk.hpp"
#include "matchers.hpp"
#include "served.hpp"

namespace ashlar::host {
namespace {
using namespace protocol;
// Each case here is right without io_uring, too, but says less.
constexpr const char* workers_alone = "there is no io_uring here: only the workers' way was tested";
}  // namespace

TEST_CASE(
    "data that are still on the disk are fetched beside other requests; where that fails a worker repeats the read",
    "[io_uring]") {
  ColdDisk cold(500'000);
  cold.disk.open();
  Served s(cold.disk);
  constexpr std::uint64_t count = 300;
  std::thread client([&] {
    for (std::uint64_t i = 0; i < count; ++i) s.wire.send(Served::request(cmd_read, i, i * 2000, 3000));
  });
  for (std::uint64_t i = 0; i < count; ++i) {
    const Chunk c = s.chunk();
    if (Served::data(c) != cold.disk.contents(c.cookie * 2000, 3000)) FAIL("cookie " << c.cookie);
  }
  client.join();
  CHECK(cold.repeated >= 50);  // of the ones past the file's end; the disk itself is larger
  s.wire.send(Served::request(cmd_disc, 0, 0, 0));
  CHECK(s.reason() == "disconnected");
  if (!has_io_uring()) SKIP_CASE(workers_alone);
}

TEST_CASE("cold reads that hold most of the memory do not keep their client's large write from the rest",
          "[io_uring]") {
  constexpr std::uint64_t reads = 60;
  constexpr std::uint32_t length = 1 << 20;
  ColdDisk cold(length, 32u << 20);
  cold.disk.open();
  Served s(cold.disk, false);
  std::thread client([&] {
    Bytes all;
    for (std::uint64_t i = 0; i < reads; ++i) append(all, Served::request(cmd_read, i, 0, length));
    append(all, Served::request(cmd_write, reads, 0, 32u << 20));
    s.wire.send(all);
    s.wire.send(Bytes(32u << 20));
  });
  for (std::uint64_t i = 0; i <= reads; ++i) {
    const Chunk c = s.chunk();
    CHECK(c.error == 0);
    if (c.cookie < reads) CHECK(s.wire.receive(length).size() == length);
  }
  client.join();
  if (!has_io_uring()) SKIP_CASE(workers_alone);
  CHECK(cold.repeated == 0);
}

TEST_CASE("cold reads that end while their client waits for memory keep none of it from that wait", "[io_uring]") {
  constexpr std::uint64_t reads = 32;
  constexpr std::uint32_t length = 4096, payload = 32u << 20;
  ColdDisk cold(length, payload);
  cold.disk.open();
  Served s(cold.disk, false);
  s.wire.limit_client_waiting(20'000);
  // What is left has room for the write, or for what that many reads keep, but not for both.
  const std::shared_ptr<Buffer> others = take(s.pool, Served::memory - payload - (512u << 10));
  std::thread client([&] {
    Bytes all;
    for (std::uint64_t i = 0; i < reads; ++i) append(all, Served::request(cmd_read, i, 0, length));
    append(all, Served::request(cmd_write, reads, 0, payload));
    s.wire.send(all);
    s.wire.send(Bytes(payload));
  });
  for (std::uint64_t i = 0; i <= reads; ++i) {
    const Chunk c = s.chunk();
    CHECK(c.error == 0);
    if (c.cookie < reads) CHECK(s.wire.receive(length).size() == length);
  }
  client.join();
  if (!has_io_uring()) SKIP_CASE(workers_alone);
}

TEST_CASE("a client is not idle at once when the last of its cold reads is answered", "[io_uring]") {
  ColdDisk cold(4096);
  cold.disk.open();
  Served s(cold.disk);
  s.wire.limit_waiting(SO_RCVTIMEO, 60'000);
  const int before = s.idled;
  for (int i = 0; i < 200; ++i) {
    s.wire.send(Served::request(cmd_read, 0, 0, 4096));
    REQUIRE(Served::data(s.chunk()).size() == 4096);
  }
  CHECK(s.idled <= before + 1);  // in the wait that began when its patience was shorter
  if (!has_io_uring()) SKIP_CASE(workers_alone);
}

TEST_CASE("a cold read that a worker has to repeat does not wait for the client's next bytes", "[io_uring]") {
  ColdDisk cold(4096);
  cold.disk.open();
  Served s(cold.disk);
  s.wire.limit_waiting(SO_RCVTIMEO, 60'000);
  s.wire.limit_client_waiting(20'000);
  std::shared_ptr<Buffer> others = take(s.pool, Served::memory);
  Bytes requests = Served::request(cmd_read, 1, 100'000, 4096);  // past the file's end
  append(requests, Served::request(cmd_write, 2, 0, 600'000));   // its payload needs memory that somebody else has
  s.wire.send(requests);
  while (!s.pool.wanted()) std::this_thread::yield();
  others.reset();
  const Chunk read = s.chunk();
  CHECK((read.cookie == 1 && Served::data(read) == cold.disk.contents(100'000, 4096)));
  s.wire.send(Bytes(600'000));
  CHECK(s.chunk().cookie == 2);
  if (!has_io_uring()) SKIP_CASE(workers_alone);
}

TEST_CASE("a cold read is answered though there is no memory to repeat it when the server stops", "[io_uring]") {
  constexpr std::uint32_t length = 1 << 20;
  int ends[2];  // a pipe gives nothing to read until something is written
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  ColdDisk cold(4096);
  cold.disk.plugin.geometry.flags |= ASHLAR_LEND_ONLY;  // so that the read holds no other buffer than its own
  cold.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if ((io.flags & ASHLAR_MAY_LEND_COLD) == 0) return cold.disk.serve(io);
    io.lent_fd = ends[0];
    io.lent_offset = 0;
    io.lent_cold = 1;
    return 0;
  };
  cold.disk.open();
  if (has_io_uring()) {
    Activity& activity = cold.disk.chain().exported().activity();
    Served s(cold.disk, false);
    s.wire.limit_client_waiting(20'000);
    s.wire.send(Served::request(cmd_read, 1, 0, length));
    std::vector<Activity::UnderWay> calls;
    // Not the call that lent them, which has a range.
    while ((calls = activity.under_way()).empty() || calls.front().length != 0) std::this_thread::yield();
    std::vector<std::shared_ptr<Buffer>> others;
    for (std::uint32_t size = length; size >= 4096; size /= 2)
      while (auto one = s.pool.try_take(size)) others.push_back(std::move(one));
    // What the read has is promised to somebody.
    const auto next = std::async(std::launch::async, [&] { return take(s.pool, length); });
    while (!s.pool.wanted()) std::this_thread::yield();
    s.stop();
    s.wire.send(Served::request(cmd_flush, 2, 0, 0));
    CHECK(s.chunk().cookie == 2);  // from here on it waits for what is under way
    CHECK(::write(ends[1], "short", 5) == 5);
    const Chunk read = s.chunk();
    CHECK((read.cookie == 1 && read.error == error_eshutdown));
    CHECK(s.reason() == "the server stops");
  }
  ::close(ends[0]);
  ::close(ends[1]);
  if (!has_io_uring()) SKIP_CASE(workers_alone);
}

TEST_CASE("no more reads are started than can be left undone", "[io_uring]") {
  ColdDisk cold(0);  // every read ends where the file does
  cold.disk.open();
  const int file = ::memfd_create("empty", MFD_CLOEXEC);
  BufferPool pool(with_room(64u << 20));
  Parts parts(pool);
  Workers workers(1);
  Outlet outlet(*parts.socket, workers, parts.memory, parts.waits_to_send);
  Replies replies(cold.disk);
  Ledger ledger(cold.disk.chain());
  std::atomic<bool> no_io_uring{false};
  {
    Ring ring(no_io_uring);
    ColdReads reads(ring, replies.runner, outlet, parts.memory, ledger);
    unsigned started = 0;
    for (unsigned i = 0; i < 2 * ColdReads::most_under_way; ++i) {
      Asked asked = replies.ask(cmd_read, 0, 512);
      ledger.begun(asked);
      if (reads.start(asked, file, 0)) ++started;
      while (reads.any()) {
        ring.turn({}, Socket::patience);
        reads.send_done();
      }
    }
    if (!no_io_uring) {
      CHECK(started == ColdReads::most_under_way);
      CHECK(reads.undone().size() == ColdReads::most_under_way);
      reads.undone().clear();
      CHECK(reads.start(replies.ask(cmd_read, 0, 512), file, 0));
    }
  }
  ::close(file);
  if (no_io_uring) SKIP_CASE(workers_alone);
}

TEST_CASE("told to stop while lent bytes do not come: the layer that lent them can be named", "[io_uring]") {
  int ends[2];  // a pipe gives nothing to read until something is written
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  std::atomic<bool> lent{false};
  ColdDisk cold(4096);
  cold.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if ((io.flags & ASHLAR_MAY_LEND_COLD) == 0) return cold.disk.serve(io);
    io.lent_fd = ends[0];
    io.lent_offset = 0;
    io.lent_cold = 1;
    lent = true;
    return 0;
  };
  cold.disk.open();
  if (has_io_uring()) {
    Activity& activity = cold.disk.chain().exported().activity();
    Served s(cold.disk);
    s.wire.send(Served::request(cmd_read, 1, 0, 4096));
    while (!lent) std::this_thread::yield();
    s.stop();
    std::vector<Activity::UnderWay> calls;
    // Not the call that lent them, which has a range.
    while ((calls = activity.under_way()).empty() || calls.front().length != 0) std::this_thread::yield();
    CHECK(calls.front().layer == "plugin \"disk\"");
    CHECK(calls.front().call == "read");
    const Bytes bytes(4096);
    CHECK(::write(ends[1], bytes.data(), bytes.size()) == 4096);
    CHECK(s.reason() == "the server stops");
    CHECK(activity.under_way().empty());
  }
  ::close(ends[0]);
  ::close(ends[1]);
  if (!has_io_uring()) SKIP_CASE(workers_alone);
}

}  // namespace ashlar::host
