// What calls on fibers block with, as a client and a module see it.
#include "session/blocking_calls.hpp"

#include <ashlar/abi.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <condition_variable>
#include <set>

#include "catch.hpp"
#include "chain/blocking.hpp"
#include "served.hpp"
#include "wait_until.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

const ashlar_blocking& services = blocking_services();
constexpr std::uint32_t block = 4096;
constexpr std::uint64_t no_offset = UINT64_MAX;  // of a pipe, preadv2(2)

// What a layer may block with until the test lets it go. All members: [any thread]
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    most_ = std::max(most_, inside_);
    threads_.insert(std::this_thread::get_id());
    changed_.wait(lock, [&] { return open_ != 0; });
    --open_;
    --inside_;
  }
  void let_go(unsigned count) {
    const std::lock_guard lock(mutex_);
    open_ += count;
    changed_.notify_all();
  }
  unsigned inside() const {
    const std::lock_guard lock(mutex_);
    return inside_;
  }
  unsigned most() const {
    const std::lock_guard lock(mutex_);
    return most_;
  }
  std::set<std::thread::id> threads() const {
    const std::lock_guard lock(mutex_);
    return threads_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  unsigned open_ = 0, inside_ = 0, most_ = 0;
  std::set<std::thread::id> threads_;
};

// A disk that parks. Reads are `read`'s; writes go to a file; flushes are done at once.
struct BlockingFixture {
  FakeDisk disk{8u << 20};
  const int file = ::memfd_create("disk", MFD_CLOEXEC);
  int ends[2] = {-1, -1};  // a pipe gives nothing to read until something is written
  Gate gate;
  std::atomic<std::int64_t> result{0};
  std::function<std::int32_t(ashlar_io&)> read;
  std::mutex mutex;
  std::set<std::thread::id> threads;  // that have been in the layer
  std::optional<Served> served;

  BlockingFixture() {
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    disk.plugin.geometry.traits = ASHLAR_PARKS;
    disk.plugin.process = [this](ashlar_io& io, const ashlar_open&) -> std::int32_t {
      {
        const std::lock_guard lock(mutex);
        threads.insert(std::this_thread::get_id());
      }
      if (io.op == ASHLAR_OP_READ) return read(io);
      if (io.op != ASHLAR_OP_WRITE) return 0;
      return services.write(services.self, file, io.data, io.length, io.offset, 0) ==
                     static_cast<std::int64_t>(io.length)
                 ? 0
                 : EIO;
    };
  }
  ~BlockingFixture() {
    gate.let_go(1000);
    for (const int fd : {ends[1], ends[0], file}) ::close(fd);
  }
  std::int32_t read_file(ashlar_io& io) {
    result = services.read(services.self, file, io.data, io.length, io.offset, 0);
    return result == static_cast<std::int64_t>(io.length) ? 0 : EIO;
  }
  std::int32_t read_pipe(ashlar_io& io, std::uint32_t flags = 0) {
    result = services.read(services.self, ends[0], io.data, io.length, no_offset, flags);
    return result == static_cast<std::int64_t>(io.length) ? 0 : EIO;
  }
  void work(std::function<void()> what) {
    services.run(
        services.self, [](void* it) noexcept { (*static_cast<std::function<void()>*>(it))(); }, &what);
  }
  void fill_pipe(char with) {
    const Bytes bytes(block, static_cast<std::byte>(with));
    REQUIRE(::write(ends[1], bytes.data(), block) == block);
  }

  void serve(Has has = {}) {
    disk.open();
    served.emplace(disk, has);
    served->wire.limit_client_waiting(60000);
  }
  void ask(std::uint64_t first, std::uint64_t count) {
    Bytes all;
    for (std::uint64_t i = first; i != first + count; ++i) append(all, Served::request(cmd_read, i, i * block, block));
    served->wire.send(all);
  }
  void flush(std::uint64_t cookie) { served->wire.send(Served::request(cmd_flush, cookie, 0, 0)); }
  std::set<std::uint64_t> answers(std::uint64_t count, std::uint32_t error = 0) {
    std::set<std::uint64_t> cookies;
    for (; count != 0; --count) {
      const Chunk c = served->chunk();
      CHECK(c.error == error);
      cookies.insert(c.cookie);
    }
    return cookies;
  }
};

}  // namespace

TEST_CASE("reads and writes that a layer blocks with come to the file, many at once") {
  constexpr std::uint64_t count = 1000;  // more than go to the kernel at once
  BlockingFixture f;
  f.read = [&](ashlar_io& io) { return f.read_file(io); };
  SECTION("over the ring") { f.serve(); }
  SECTION("where there is no io_uring, by workers") { f.serve({.io_uring = false}); }
  SECTION("where all workers are others', by the session itself") { f.serve({.workers = 0, .io_uring = false}); }
  const auto bytes_of = [](std::uint64_t i) { return pattern(block, static_cast<unsigned>(i)); };
  for (std::uint64_t i = 0; i != count; ++i) f.served->wire.send(Served::write_request(i, i * block, bytes_of(i)));
  CHECK(f.answers(count).size() == count);
  f.ask(0, count);
  for (std::uint64_t left = count; left != 0; --left) {
    const Chunk c = f.served->chunk();
    CHECK(Served::data(c) == bytes_of(c.cookie));
  }
  CHECK(f.threads.size() == 1);
}

TEST_CASE("while a read blocks others go on") {
  BlockingFixture f;
  f.read = [&](ashlar_io& io) { return f.read_pipe(io); };
  SECTION("over the ring") { f.serve(); }
  SECTION("where there is no io_uring") { f.serve({.io_uring = false}); }
  f.ask(1, 1);
  f.flush(2);
  CHECK(f.served->chunk().cookie == 2);
  f.flush(3);
  CHECK(f.served->chunk().cookie == 3);
  f.fill_pipe('x');
  const Chunk c = f.served->chunk();
  CHECK(c.cookie == 1);
  CHECK(Served::data(c) == Bytes(block, static_cast<std::byte>('x')));
}

TEST_CASE("a read that blocks tells what the system call does") {
  const bool io_uring = GENERATE(true, false);
  BlockingFixture f;
  std::int64_t wanted = 0;
  SECTION("less than was asked for") {
    wanted = 100;
    REQUIRE(::ftruncate(f.file, block + wanted) == 0);
    f.read = [&](ashlar_io& io) { return f.read_file(io); };
  }
  SECTION("nothing behind the end") {
    f.read = [&](ashlar_io& io) { return f.read_file(io); };
  }
  SECTION("an error") {
    wanted = -EBADF;
    f.read = [&](ashlar_io& io) {
      f.result = services.read(services.self, f.ends[1], io.data, io.length, no_offset, 0);
      return EIO;
    };
  }
  SECTION("that it would block, if it is told not to") {
    wanted = -EAGAIN;
    f.read = [&](ashlar_io& io) { return f.read_pipe(io, RWF_NOWAIT); };
  }
  CAPTURE(io_uring);
  f.serve({.io_uring = io_uring});
  f.ask(1, 1);
  CHECK(f.served->chunk().error == error_eio);
  CHECK(f.result == wanted);
}

TEST_CASE("what a layer blocks with otherwise is done on other threads, as many at once as there are workers") {
  constexpr std::uint64_t count = 50;
  BlockingFixture f;
  f.read = [&](ashlar_io&) {
    f.work([&] { f.gate.pass(); });
    return 0;
  };
  f.serve();
  f.ask(0, count);
  wait_until([&] { return f.gate.inside() == 4; });
  f.flush(count);
  CHECK(f.served->chunk().cookie == count);
  f.gate.let_go(1);
  CHECK(f.answers(1).size() == 1);
  wait_until([&] { return f.gate.inside() == 4; });
  f.gate.let_go(count - 1);
  CHECK(f.answers(count - 1).size() == count - 1);
  CHECK(f.gate.most() == 4);
  CHECK(f.threads.size() == 1);
  CHECK(f.gate.threads().count(*f.threads.begin()) == 0);
}

TEST_CASE("where all workers are others', what a layer blocks with is done by the session itself") {
  BlockingFixture f;
  f.read = [&](ashlar_io&) {
    f.work([&] { f.gate.pass(); });
    return 0;
  };
  f.serve({.workers = 0});
  f.gate.let_go(10);
  f.ask(0, 10);
  CHECK(f.answers(10).size() == 10);
  CHECK(f.gate.threads() == f.threads);
}

TEST_CASE("a call may block often, in each way, and wait between") {
  BlockingFixture f;
  REQUIRE(::ftruncate(f.file, 8 << 20) == 0);
  f.read = [&](ashlar_io& io) {
    int runs = 0;
    for (int i = 0; i != 3; ++i) {
      if (f.read_file(io) != 0) return EIO;
      f.work([&] { ++runs; });
    }
    return runs == 3 ? 0 : EIO;
  };
  f.serve();
  f.ask(0, 500);
  CHECK(f.answers(500).size() == 500);
}

TEST_CASE("while a client does not take its replies what its requests block with goes on") {
  BlockingFixture f;
  bool io_uring = true;
  SECTION("over the ring") {}
  SECTION("where there is no io_uring") { io_uring = false; }
  constexpr std::uint32_t large = 4u << 20;
  std::atomic<bool> went_on{false};
  f.read = [&](ashlar_io& io) -> std::int32_t {
    if (io.length == large) return f.disk.serve(io);
    const std::int32_t status = f.read_pipe(io);
    return went_on = true, status;
  };
  f.serve({.io_uring = io_uring});
  f.ask(1, 1);
  f.flush(2);
  CHECK(f.served->chunk().cookie == 2);
  for (std::uint64_t i = 0; i != 4; ++i) f.served->wire.send(Served::request(cmd_read, 100 + i, 0, large));
  wait_until([&] { return f.served->waits_to_send(); });
  f.fill_pipe('x');
  wait_until([&] { return went_on.load(); });
  CHECK(f.answers(5).size() == 5);
}

TEST_CASE("a read from the disk that ends while other replies wait for the client is answered behind them") {
  constexpr std::uint32_t large = 1u << 20;
  constexpr std::uint64_t from_pipe = 1, put_aside = 2, first_large = 10, count = 16;
  BlockingFixture f;
  REQUIRE(::ftruncate(f.file, 8 << 20) == 0);
  bool large_ones_are_lent = true;
  SECTION("they are of reads from the disk, too") {}
  SECTION("they are of others") { large_ones_are_lent = false; }
  f.disk.plugin.geometry.flags = ASHLAR_NOWAIT | ASHLAR_MAY_LEND | ASHLAR_MAY_LEND_COLD;
  f.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) -> std::int32_t {
    const bool is_large = io.length == large, tried = (io.flags & ASHLAR_NOWAIT) != 0;
    if (io.op != ASHLAR_OP_READ || (is_large && !large_ones_are_lent)) return f.disk.serve(io);
    if (io.offset == put_aside * block) {
      if (!tried) f.work([&] { f.gate.pass(); });
      return tried ? EAGAIN : 0;
    }
    if ((io.flags & ASHLAR_MAY_LEND_COLD) == 0) return EIO;
    io.lent_fd = is_large ? f.file : f.ends[0];
    io.lent_offset = 0;
    io.lent_cold = 1;
    return 0;
  };
  f.serve();
  f.ask(from_pipe, 2);
  wait_until([&] { return f.gate.inside() == 1; });
  for (std::uint64_t i = 0; i != count; ++i) f.served->wire.send(Served::request(cmd_read, first_large + i, 0, large));
  wait_until([&] { return f.served->waits_to_send(); });
  f.fill_pipe('x');
  std::set<std::uint64_t> answered = f.answers(count + 1);
  CHECK(answered.count(from_pipe) == 1);
  f.gate.let_go(1);
  CHECK(f.served->chunk().cookie == put_aside);
}

TEST_CASE("what is done by the session itself may hold a mutex over what it blocks with") {
  BlockingFixture f;
  std::mutex mutex;
  f.read = [&](ashlar_io& io) {
    std::int32_t status = 0;
    f.work([&] {
      const std::lock_guard lock(mutex);
      status = f.read_file(io);
    });
    return status;
  };
  REQUIRE(::ftruncate(f.file, 8 << 20) == 0);
  f.serve({.workers = 0});
  f.ask(0, 10);
  CHECK(f.answers(10).size() == 10);
}

TEST_CASE("a client that leaves while its requests block: the session ends when they are done") {
  BlockingFixture f;
  f.read = [&](ashlar_io& io) { return f.read_pipe(io); };
  SECTION("over the ring") { f.serve(); }
  SECTION("where there is no io_uring") { f.serve({.io_uring = false}); }
  f.ask(0, 3);
  f.flush(3);
  CHECK(f.served->chunk().cookie == 3);
  f.served->wire.hang_up();
  for (int i = 0; i != 3; ++i) f.fill_pipe('x');
  f.served->reason();
  CHECK(f.served->stacks.in_use() == 0);
}

TEST_CASE("told to stop while requests block: they are answered when they are done") {
  BlockingFixture f;
  f.read = [&](ashlar_io& io) { return f.read_pipe(io); };
  SECTION("over the ring") { f.serve(); }
  SECTION("where there is no io_uring") { f.serve({.io_uring = false}); }
  f.ask(0, 2);
  f.flush(2);
  CHECK(f.served->chunk().cookie == 2);
  f.served->stop();
  f.fill_pipe('x');
  f.fill_pipe('y');
  CHECK(f.answers(2) == std::set<std::uint64_t>{0, 1});
  CHECK(f.served->reason() == "the server stops");
}

TEST_CASE("outside of fibers what blocks just blocks") {
  BlockingFixture f;
  Bytes bytes(block, std::byte{7});
  CHECK(services.write(services.self, f.file, bytes.data(), block, 0, 0) == block);
  Bytes back(2 * block);
  CHECK(services.read(services.self, f.file, back.data(), back.size(), 0, 0) == block);
  back.resize(block);
  CHECK(back == bytes);
  std::thread::id thread;
  f.work([&] { thread = std::this_thread::get_id(); });
  CHECK(thread == std::this_thread::get_id());
}

}  // namespace ashlar::host
