#include "session/jobs.hpp"

#include <pthread.h>
#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "fake_disk.hpp"
#include "matchers.hpp"
#include "parts.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

// Requests wait in the module until they are let through.
class HeldWork {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_, most_ = std::max(most_, inside_);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ || tickets_ != 0; });
    if (!open_) --tickets_;
    --inside_;
  }
  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ >= count; });
  }
  void let(int count) {
    const std::lock_guard lock(mutex_);
    tickets_ += count;
    changed_.notify_all();
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  int most() const { return most_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0, most_ = 0, tickets_ = 0;
  bool open_ = false;
};

Jobs::Needs needs(Replies& replies, Outlet& outlet, Parts& parts, Ledger& ledger, Executor& executor,
                  Workers& workers) {
  return {.runner = replies.runner,
          .outlet = outlet,
          .memory = parts.memory,
          .waiter = parts.waiter,
          .ledger = ledger,
          .executor = executor,
          .workers = workers,
          .fibers = nullptr,
          .stopping = parts.stopping};
}

struct JobsFixture {
  HeldWork gate;
  FakeDisk disk{1 << 20};
  BufferPool pool{with_room(256u << 20)};
  Parts parts{pool};
  WirePair& wire = parts.wire;
  std::optional<Ledger> ledger;
  Executor executor;
  Workers workers;
  std::unique_ptr<Replies> replies;
  std::unique_ptr<Outlet> outlet;
  std::unique_ptr<Jobs> jobs;
  std::uint64_t next_cookie = 0;

  explicit JobsFixture(unsigned places, unsigned width = 16, bool gated = true) : workers(places) {
    if (gated)
      disk.plugin.process = [this](ashlar_io& io, const ashlar_open&) {
        gate.pass();
        return disk.serve(io);
      };
    disk.open();
    ledger.emplace(disk.chain());
    replies = std::make_unique<Replies>(disk);
    outlet = std::make_unique<Outlet>(*parts.socket, workers, parts.memory, parts.waits_to_send);
    jobs = std::make_unique<Jobs>(needs(*replies, *outlet, parts, *ledger, executor, workers), width);
  }
  ~JobsFixture() {
    gate.open();
    wire.hang_up();  // replies that nobody has read must not hold anybody
  }
  Asked ask(std::uint16_t type = cmd_flush, std::uint32_t length = 0, const std::byte* payload = nullptr) {
    Asked asked = replies->ask(type, 0, length, 0, payload);
    asked.request.cookie = next_cookie++;
    return asked;
  }
  bool try_start(const Asked& asked) {
    Pin none;
    return jobs->try_start(asked, none);
  }
  void start(const Asked& asked) {
    Pin none;
    jobs->start(asked, none);
  }
  std::uint64_t receive() {
    return take_chunk([&](std::size_t n) { return wire.receive(n); }).cookie;
  }
};

}  // namespace

TEST_CASE("jobs run together up to the width, the others behind them, and each is answered once") {
  constexpr int count = 40;
  JobsFixture f(256, 5);
  for (int i = 0; i < count; ++i) REQUIRE(f.try_start(f.ask()));
  f.gate.wait_for(5);
  CHECK_FALSE(f.jobs->idle());
  f.gate.open();
  std::set<std::uint64_t> cookies;
  for (int i = 0; i < count; ++i) cookies.insert(f.receive());
  CHECK(cookies.size() == count);
  CHECK(*cookies.rbegin() == count - 1);
  f.jobs->drain();
  CHECK(f.jobs->idle());
  CHECK(f.gate.most() == 5);
}

TEST_CASE("width 1: one after the other, in order") {
  JobsFixture f(256, 1);
  for (int i = 0; i < 20; ++i) REQUIRE(f.try_start(f.ask()));
  f.gate.open();
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(f.receive() == i);
  f.jobs->drain();
  CHECK(f.gate.most() == 1);
}

TEST_CASE("a job that is done is answered though those before it are not") {
  JobsFixture f(256);
  std::atomic<int> calls{0};
  f.disk.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    if (calls++ == 0) f.gate.pass();
    return 0;
  };
  REQUIRE(f.try_start(f.ask()));
  f.gate.wait_for(1);
  REQUIRE(f.try_start(f.ask()));
  CHECK(f.receive() == 1);
  f.gate.open();
  CHECK(f.receive() == 0);
}

TEST_CASE("no more jobs are under way than allowed: try_start says so, start waits") {
  JobsFixture f(256);
  for (unsigned i = 0; i < Jobs::usual_under_way; ++i) REQUIRE(f.try_start(f.ask()));
  f.gate.wait_for(16);
  CHECK_FALSE(f.try_start(f.ask()));
  std::atomic<bool> started{false};
  std::thread session([&] { f.start(f.ask()), started = true; });
  std::this_thread::yield();
  CHECK_FALSE(started);
  f.gate.let(1);
  session.join();
  f.gate.open();
  for (unsigned i = 0; i <= Jobs::usual_under_way; ++i) f.receive();
  f.jobs->drain();
}

TEST_CASE("no more bytes are held than allowed") {
  JobsFixture f(256);
  std::size_t started = 0;
  while (started < Jobs::usual_under_way && f.try_start(f.ask(cmd_read, 1 << 20))) ++started;
  CHECK(started * (1 << 20) <= Jobs::most_bytes);
  CHECK((started + 2) * (1 << 20) > Jobs::most_bytes);
  f.gate.open();
  for (std::size_t i = 0; i < started; ++i) f.receive();
  f.jobs->drain();
  CHECK(f.try_start(f.ask(cmd_read, 1 << 20)));
}

TEST_CASE("the buffer of a small reply is kept for the next one, until it is given back") {
  JobsFixture f(256, 16, false);
  for (int i = 0; i != 3; ++i) {
    f.start(f.ask(cmd_read, 4096));
    f.receive();
    f.jobs->drain();
  }
  const std::size_t rest = (256u << 20) - BufferPool::small_capacity;
  CHECK(f.pool.try_take(rest + 1) == nullptr);
  CHECK(f.pool.try_take(rest) != nullptr);
  f.jobs->give_kept_back();
  CHECK(f.pool.try_take(256u << 20) != nullptr);
}

TEST_CASE("when all workers are taken: refused by try_start, run by the caller in start") {
  JobsFixture f(1, 16, false);
  REQUIRE(f.workers.take());
  std::thread::id ran_on;
  f.disk.plugin.process = [&](ashlar_io&, const ashlar_open&) { return ran_on = std::this_thread::get_id(), 0; };
  CHECK_FALSE(f.try_start(f.ask()));
  f.start(f.ask());
  CHECK(ran_on == std::this_thread::get_id());
  CHECK(f.receive() == 1);
  CHECK(f.jobs->idle());
  f.workers.give_back();
}

TEST_CASE("when no thread is to be had: refused by try_start, which keeps the payload, run by the caller in start") {
  JobsFixture f(1, 16, false);
  pthread_attr_t before, vast;  // stacks that no address space has room for
  REQUIRE(::pthread_getattr_default_np(&before) == 0);
  ::pthread_attr_init(&vast);
  REQUIRE(::pthread_attr_setstacksize(&vast, std::size_t{1} << 47) == 0);
  REQUIRE(::pthread_setattr_default_np(&vast) == 0);
  std::thread::id ran_on;
  f.disk.plugin.process = [&](ashlar_io&, const ashlar_open&) { return ran_on = std::this_thread::get_id(), 0; };
  Pin payload(std::shared_ptr<Buffer>(f.pool.try_take(BufferPool::usual_capacity)));
  const Bytes bytes(100);
  const bool started = f.jobs->try_start(f.ask(cmd_write, 100, bytes.data()), payload);
  CHECK_FALSE(started);
  CHECK(ran_on == std::thread::id());
  CHECK(f.jobs->idle());
  CHECK(f.jobs->start(f.ask(cmd_write, 100, bytes.data()), payload));
  CHECK(ran_on == std::this_thread::get_id());
  CHECK(f.receive() == 1);
  CHECK(f.workers.take());  // the place was given back
  f.workers.give_back();
  ::pthread_setattr_default_np(&before);
  ::pthread_attr_destroy(&before);
  ::pthread_attr_destroy(&vast);
}

TEST_CASE("one worker for two clients: neither waits for the other for good") {
  HeldWork gate;
  FakeDisk disk;
  disk.plugin.process = [&](ashlar_io&, const ashlar_open&) { return gate.pass(), 0; };
  disk.open();
  Replies replies(disk);
  Executor executor;
  Workers workers(1);
  BufferPool pool(with_room(1 << 20));
  Ledger ledger(disk.chain());
  Parts first(pool), second(pool);
  WirePair &one = first.wire, &two = second.wire;
  Outlet out_one(*first.socket, workers, first.memory, first.waits_to_send);
  Outlet out_two(*second.socket, workers, second.memory, second.waits_to_send);
  Jobs busy(needs(replies, out_one, first, ledger, executor, workers), 16);
  Jobs quick(needs(replies, out_two, second, ledger, executor, workers), 16);
  Pin none;
  for (int i = 0; i < 3; ++i) REQUIRE(busy.try_start(replies.ask(cmd_flush, 0, 0), none));
  gate.wait_for(1);
  CHECK_FALSE(quick.try_start(replies.ask(cmd_flush, 0, 0), none));
  std::thread session([&] { quick.start(replies.ask(cmd_flush, 0, 0), none); });
  gate.wait_for(2);
  gate.open();
  session.join();
  take_chunk([&](std::size_t n) { return two.receive(n); });
  for (int i = 0; i < 3; ++i) take_chunk([&](std::size_t n) { return one.receive(n); });
  busy.drain();
  CHECK(workers.take());
}

TEST_CASE("a client that takes no replies keeps no worker from the others, and leaving ends the wait") {
  JobsFixture f(1, 16, false);
  f.wire.limit_send_buffer(1);
  for (int i = 0; i < 8; ++i) REQUIRE(f.try_start(f.ask(cmd_read, 1 << 20)));
  while (!f.workers.take()) std::this_thread::yield();
  CHECK_FALSE(f.jobs->idle());
  f.wire.hang_up();
  f.jobs->drain();
  f.workers.give_back();
  CHECK(f.workers.take());
  CHECK_FALSE(f.workers.take());
}

TEST_CASE("a write's payload is kept until the write is done, and let go then") {
  JobsFixture f(256);
  const Bytes payload = pattern(4096, 9);
  auto buffer = take(f.pool, 4096);
  std::copy(payload.begin(), payload.end(), buffer->data());
  Pin pin(buffer);
  REQUIRE(f.jobs->try_start(f.ask(cmd_write, 4096, buffer->data()), pin));
  f.gate.wait_for(1);
  CHECK(buffer->pinned());
  f.gate.open();
  f.receive();
  f.jobs->drain();
  CHECK_FALSE(buffer->pinned());
  CHECK(f.disk.contents(0, 4096) == payload);
}

TEST_CASE("the destructor waits for what is under way") {
  JobsFixture f(256);
  REQUIRE(f.try_start(f.ask()));
  f.gate.wait_for(1);
  std::thread opens([&] { f.gate.open(); });
  f.jobs.reset();
  opens.join();
  CHECK(f.receive() == 0);
}

TEST_CASE("thousands of jobs through few workers while the client reads: each is answered once") {
  JobsFixture f(3, 4, false);
  constexpr std::uint32_t count = 5000;
  std::vector<int> seen(count, 0);
  std::thread client([&] {
    for (std::uint32_t i = 0; i < count; ++i) ++seen[f.receive()];
  });
  for (std::uint32_t i = 0; i < count; ++i)
    f.start(f.ask(i % 2 == 0 ? cmd_flush : cmd_read, i % 2 == 0 ? 0 : 1 + i % 3000));
  client.join();
  f.jobs->drain();
  CHECK(std::count(seen.begin(), seen.end(), 1) == count);
}

}  // namespace ashlar::host
