// Requests that are put aside while they wait, as a client sees them.
#include "session/fibers.hpp"

#include <ashlar/abi.h>

#include <condition_variable>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "chain/wait.hpp"
#include "matchers.hpp"
#include "parts.hpp"
#include "served.hpp"
#include "wait_until.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

const ashlar_wait& waits = wait_services();
constexpr std::uint32_t block_size = 4096;

// Where requests wait until the test lets them go. All members: [any thread]
class Room {
 public:
  // In the module: waits; what was cancelled is told to go by its hook.
  std::int32_t enter(std::uint64_t which) {
    Guest guest{*this, which, waits.begin(waits.self)};
    {
      const std::lock_guard lock(mutex_);
      guests_[which] = &guest;
      threads_.insert(std::this_thread::get_id());
    }
    waits.on_cancel(
        waits.self, guest.ticket, [](void* of) noexcept { give_up(of); }, &guest);
    return static_cast<std::int32_t>(waits.wait(waits.self, guest.ticket));
  }
  std::size_t waiting() {
    const std::lock_guard lock(mutex_);
    return guests_.size();
  }
  bool has(std::uint64_t which) {
    const std::lock_guard lock(mutex_);
    return guests_.count(which) != 0;
  }
  void let_go(std::uint64_t which, std::int32_t status = 0) {
    const std::lock_guard lock(mutex_);
    leave(which, status);
  }
  void let_one_go() {
    const std::lock_guard lock(mutex_);
    if (!guests_.empty()) leave(guests_.begin()->first, 0);
  }
  std::size_t threads() {
    const std::lock_guard lock(mutex_);
    return threads_.size();
  }
  std::atomic<int> given_up{0};

 private:
  struct Guest {
    Room& room;
    std::uint64_t which;
    ashlar_ticket* ticket;
  };
  void leave(std::uint64_t which, std::int32_t status) {
    Guest* const guest = guests_.at(which);
    guests_.erase(which);
    waits.done(waits.self, guest->ticket, status);
  }
  static void give_up(void* of) {
    auto& guest = *static_cast<Guest*>(of);
    const std::lock_guard lock(guest.room.mutex_);
    if (guest.room.guests_.count(guest.which) == 0) return;
    ++guest.room.given_up;
    guest.room.leave(guest.which, ECANCELED);
  }

  std::mutex mutex_;
  std::map<std::uint64_t, Guest*> guests_;
  std::set<std::thread::id> threads_;
};

// A disk that parks: reads wait in the room, each known by its block; flushes do not wait.
struct FiberFixture {
  Room room;
  FakeDisk disk{8u << 20};
  std::atomic<bool> gone{false}, broken_off{false};
  std::atomic<int> looks{0};
  const ashlar_client client{};
  Cancellation of_reads{[this] { return ++looks, gone.load(); }}, of_writes{[this] { return broken_off.load(); }};
  const ForClient for_client{client, of_reads, of_writes, [] {}};
  std::optional<Served> served;

  FiberFixture() {
    disk.plugin.geometry.traits = ASHLAR_PARKS;
    disk.plugin.process = [this](ashlar_io& io, const ashlar_open&) {
      if (io.op == ASHLAR_OP_READ)
        if (const std::int32_t status = room.enter(io.offset / block_size)) return status;
      return disk.serve(io);
    };
  }
  ~FiberFixture() {
    for (; served && room.waiting() != 0; room.let_one_go()) continue;
  }
  void serve(Has has = {}) {
    disk.open(&for_client);
    served.emplace(disk, has);
    served->wire.limit_client_waiting(60000);
  }
  void ask(std::uint64_t first, std::uint64_t count) {
    Bytes all;
    for (std::uint64_t i = first; i != first + count; ++i)
      append(all, Served::request(cmd_read, i, i * block_size, block_size));
    served->wire.send(all);
  }
  void flush(std::uint64_t cookie) { served->wire.send(Served::request(cmd_flush, cookie, 0, 0)); }
  void wait_for(std::size_t waiting) {
    wait_until([&] { return room.waiting() == waiting; });
  }
};

}  // namespace

TEST_CASE("requests that wait are put aside: others go on, and each is answered when it is done") {
  constexpr std::uint64_t count = 1000;
  FiberFixture f;
  f.serve();
  f.ask(0, count);
  f.wait_for(count);
  f.flush(count);
  CHECK(f.served->chunk().cookie == count);
  for (const std::uint64_t which : {count - 1, std::uint64_t{0}, count / 2}) {
    f.room.let_go(which);
    const Chunk c = f.served->chunk();
    CHECK(c.cookie == which);
    CHECK(Served::data(c) == f.disk.contents(which * block_size, block_size));
  }
  for (std::uint64_t left = count - 3; left != 0; --left) f.room.let_one_go();
  std::set<std::uint64_t> answered;
  for (std::uint64_t left = count - 3; left != 0; --left) answered.insert(f.served->chunk().cookie);
  CHECK(answered.size() == count - 3);
  CHECK(f.room.threads() == 1);
  wait_until([&] { return f.served->stacks.in_use() == 0; });  // it idles
}

TEST_CASE("a session that waits for what it has put aside is not idle") {
  FiberFixture f;
  f.serve();
  f.ask(3, 1);
  f.wait_for(1);
  const int before = f.looks, idled = f.served->idled;  // it may have before the request came
  wait_until([&] { return f.looks >= before + 3; });    // it has looked around some times
  CHECK(f.served->idled == idled);
  f.room.let_go(3);
  CHECK(f.served->chunk().cookie == 3);
  wait_until([&] { return f.served->idled > idled; });
  wait_until([&] { return f.served->pool.try_take(Served::memory) != nullptr; });  // all was given back
}

TEST_CASE("a client that leaves while its requests wait: each hears of it once, and the session ends") {
  constexpr std::uint64_t count = 1000;
  FiberFixture f;
  f.serve();
  f.ask(0, count);
  f.wait_for(count);
  f.served->wire.hang_up();
  f.gone = true;
  f.served->reason();  // closed by the client, or replies could not be sent: whichever it notices first
  CHECK(f.room.given_up == count);
  CHECK(f.room.waiting() == 0);
  CHECK(f.served->stacks.in_use() == 0);
}

TEST_CASE("a server that stops while requests wait answers them when they are done") {
  FiberFixture f;
  f.serve();
  f.ask(0, 100);
  f.wait_for(100);
  f.served->stop();
  f.room.let_go(7);
  CHECK(f.served->chunk().cookie == 7);
  f.room.let_go(8, EIO);
  CHECK(f.served->chunk().error == error_eio);
  f.gone = true;  // it breaks off
  CHECK(f.served->reason() == "the server stops");
  CHECK(f.room.given_up == 98);
}

TEST_CASE("no more requests are put aside than there is memory for; the others wait, and go on in their turn") {
  constexpr std::uint64_t count = 100;
  FiberFixture f;
  f.serve({.memory = 1u << 20, .stacks = 2000});
  f.ask(0, count);
  constexpr std::uint64_t fit = (1u << 20) / (Fibers::counted + BufferPool::small_capacity);
  wait_until([&] { return f.room.waiting() >= fit; });
  CHECK(f.room.waiting() <= fit + 1);
  for (std::uint64_t done = 0; done != count; ++done) {
    wait_until([&] { return f.room.waiting() != 0; });
    f.room.let_one_go();
    f.served->chunk();
  }
  f.flush(count);
  CHECK(f.served->chunk().cookie == count);
}

TEST_CASE("who waits for memory gets that of stacks that are not used any more") {
  FiberFixture f;
  f.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.length == block_size) f.room.enter(io.offset / block_size);
    return f.disk.serve(io);
  };
  f.serve({.memory = 2u << 20, .stacks = 2000});
  f.ask(0, 40);
  f.wait_for(40);
  f.served->wire.send(Served::request(cmd_read, 40, 0, 1792u << 10));
  wait_until([&] { return f.served->pool.wanted(); });
  for (int left = 40; left != 0; --left) f.room.let_one_go();
  for (int left = 41; left != 0; --left) f.served->chunk();
}

TEST_CASE("where there are fewer stacks than requests the others wait for them") {
  constexpr std::uint64_t count = 50;
  FiberFixture f;
  f.serve({.stacks = 2});
  f.ask(0, count);
  for (std::uint64_t done = 0; done != count; ++done) {
    wait_until([&] { return f.room.waiting() == std::min<std::uint64_t>(2, count - done); });
    f.room.let_one_go();
    f.served->chunk();
  }
  CHECK(f.room.threads() == 1);
}

TEST_CASE("without any stack requests that wait have workers") {
  FiberFixture f;
  f.serve({.stacks = 0});
  f.ask(0, 8);
  f.wait_for(4);  // there are so many workers
  CHECK(f.room.threads() == 4);
  for (int left = 8; left != 0; --left) {
    wait_until([&] { return f.room.waiting() != 0; });
    f.room.let_one_go();
    f.served->chunk();
  }
}

TEST_CASE("where a layer may block, or calls come one at a time, requests have workers") {
  FiberFixture f;
  SECTION("it does not say that it parks") { f.disk.plugin.geometry.traits = 0; }
  SECTION("serial") { f.disk.plugin.make_serial(); }
  std::atomic<int> calls{0};
  std::atomic<std::thread::id> session, worker;
  f.disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  f.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    ++calls;
    const bool tried = (io.flags & ASHLAR_NOWAIT) != 0;
    (tried ? session : worker) = std::this_thread::get_id();
    return tried ? EAGAIN : 0;
  };
  f.serve();
  f.flush(1);
  CHECK(f.served->chunk().cookie == 1);
  CHECK(calls == 2);
  CHECK(session.load() != worker.load());
}

TEST_CASE("as many run at once as the layers say, and the others behind them") {
  FiberFixture f;
  f.disk.plugin.geometry.depth = 3;
  f.serve();
  f.ask(0, 10);
  for (std::uint64_t done = 0; done != 10; ++done) {
    f.wait_for(std::min<std::uint64_t>(3, 10 - done));
    f.room.let_one_go();
    f.served->chunk();
  }
}

TEST_CASE("a request may wait often, for what was done before, too, and for time") {
  FiberFixture f;
  f.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    ashlar_ticket* const ticket = waits.begin(waits.self);
    waits.done(waits.self, ticket, 5);
    if (waits.wait(waits.self, ticket) != 5) return EIO;
    for (int i = 0; i != 3; ++i) {
      const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
      waits.sleep_until(waits.self, static_cast<std::uint64_t>(until.time_since_epoch() / std::chrono::nanoseconds(1)));
      if (std::chrono::steady_clock::now() < until) return EIO;
    }
    return static_cast<int>(f.room.enter(io.offset / block_size));
  };
  f.serve();
  f.ask(0, 200);
  f.wait_for(200);
  for (int left = 200; left != 0; --left) f.room.let_one_go();
  for (int left = 200; left != 0; --left) CHECK(f.served->chunk().error == 0);
}

TEST_CASE("a request that sleeps for long wakes when it is cancelled") {
  FiberFixture f;
  std::atomic<int> asleep{0}, awake{0};
  f.disk.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    ++asleep;
    waits.sleep_until(waits.self, UINT64_MAX);
    return ++awake, ECANCELED;
  };
  f.serve();
  f.ask(0, 100);
  wait_until([&] { return asleep == 100; });
  CHECK(awake == 0);
  f.served->wire.hang_up();
  f.gone = true;
  f.served->reason();
  CHECK(awake == 100);
}

TEST_CASE("while a client does not take its replies its requests go on, so that nobody else waits for them") {
  FiberFixture f;
  std::atomic<bool> went_on{false};
  f.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_READ && io.length != block_size) return f.disk.serve(io);
    const auto status = f.room.enter(io.offset / block_size);
    return went_on = true, static_cast<int>(status);
  };
  f.serve();
  f.ask(1, 1);
  f.wait_for(1);
  constexpr std::uint32_t large = 4u << 20;
  for (std::uint64_t i = 0; i != 4; ++i) f.served->wire.send(Served::request(cmd_read, 100 + i, 0, large));
  wait_until([&] { return f.served->waits_to_send(); });
  f.room.let_go(1);
  wait_until([&] { return went_on.load(); });
  std::set<std::uint64_t> answered;
  for (int left = 5; left != 0; --left) answered.insert(f.served->chunk().cookie);
  CHECK(answered.size() == 5);
}

TEST_CASE(
    "when others want memory, no client is to blame for the time that its requests take on the session's thread") {
  static constexpr std::chrono::milliseconds takes{20};
  struct Busy final : Fiber::Call {
    bool done = false;
    void run_on_fiber() noexcept override {
      waits.sleep_until(waits.self, 1);
      const auto began = Fiber::Clock::now();
      while (Fiber::Clock::now() < began + takes) continue;
      done = true;
    }
  } call;
  FakeDisk disk;
  disk.open();
  constexpr std::size_t all = 1u << 20;
  BufferPool pool(with_room(all));
  Parts parts(pool), others(pool);
  Workers workers(1);
  StackPool stacks;
  Executor executor;
  Outlet outlet(*parts.socket, workers, parts.memory, parts.waits_to_send);
  Fibers fibers({.stacks = stacks,
                 .memory = parts.memory,
                 .waiter = parts.waiter,
                 .outlet = outlet,
                 .executor = executor,
                 .workers = workers},
                disk.exported()->activity().shared_from_this());
  REQUIRE(fibers.have_room());
  auto wanted = std::async(std::launch::async, [&] { return others.memory.take(all); });
  wait_until([&] { return parts.memory.wanted_by_others(); });
  fibers.start(call);
  CHECK_FALSE(call.done);
  parts.waiter.until([&] { return call.done; });
  CHECK(fibers.taken() >= takes);
  const auto clients = parts.waiter.clients_clock();
  const auto now = Fiber::Clock::now();
  CHECK(now - clients >= takes);
  CHECK(wanted.get());  // the stack went back
}

TEST_CASE("a write that waits keeps its payload") {
  FiberFixture f;
  f.disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_WRITE) f.room.enter(io.offset / block_size);
    return f.disk.serve(io);
  };
  f.serve();
  constexpr std::uint64_t count = 500;
  for (std::uint64_t i = 0; i != count; ++i)
    f.served->wire.send(Served::write_request(i, i * block_size, pattern(block_size, static_cast<unsigned>(i))));
  f.wait_for(count);
  for (std::uint64_t left = count; left != 0; --left) f.room.let_one_go();
  for (std::uint64_t left = count; left != 0; --left) CHECK(f.served->chunk().error == 0);
  for (std::uint64_t i = 0; i != count; ++i)
    CHECK(f.disk.contents(i * block_size, block_size) == pattern(block_size, static_cast<unsigned>(i)));
}

TEST_CASE("each request that waits is known to the server as a call under way") {
  FiberFixture f;
  f.serve();
  f.ask(0, 3);
  f.wait_for(3);
  const auto calls = f.disk.exported()->activity().under_way();
  std::set<std::uint64_t> offsets;
  for (const auto& call : calls) {
    CHECK(call.call == "read");
    offsets.insert(call.offset);
  }
  CHECK(offsets == std::set<std::uint64_t>{0, block_size, 2 * block_size});
}

}  // namespace ashlar::host
