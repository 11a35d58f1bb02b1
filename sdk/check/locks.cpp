// Filters: what they hold over a call of the layer below. A lock that is held there is counted (held.hpp); where it
// keeps another request from going on, it shows as a hang, too.
#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

void need(const Subject& s, Bench& bench, std::uint64_t bytes) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  if (!s.is_parallel()) throw NotMade{"it is serial"};
  if (bench.geometry().size < bytes) throw NotMade{"the device is too small"};
}

const char* scene(Op op) {
  static constexpr const char* texts[] = {
      "while a read is under way in the layer below",  "while a write is under way in the layer below",
      "while a flush is under way in the layer below", "while a trim is under way in the layer below",
      "while a zero is under way in the layer below",  "while a cache is under way in the layer below",
      "while extents are under way in the layer below"};
  return texts[static_cast<std::size_t>(op)];
}

// Sends a request and looks at what came of it.
void send(Model& model, const Device& device, Op op, Range range, Random& random) {
  const Request request{.op = op, .offset = range.offset, .length = range.length};
  if (op == Op::read) model.compare(device, range, {}, "another request ran meanwhile");
  else if (Ops::writing().has(op)) static_cast<void>(change(model, device, op, range, Flag::none, random));
  else must(ask(device, op, range), request);
}

// Two ranges that are far from each other.
struct Pair {
  Range one, other;
};
Pair apart(const Geometry& g) {
  const std::uint64_t block = std::max<std::uint64_t>(g.minimum, 512);
  return {{block, block}, {(g.size - 1) / block * block - 2 * block, block}};
}

// Where a request for `range` reaches the layer below. To be asked first of all, as a filter may keep what was read.
std::vector<Range> reached_by(Bench& bench, Range range) {
  bench.disk().forget_calls();
  read_all(bench.device(), range.offset, range.length);
  std::vector<Range> places;
  for (const Disk::Call& call : bench.disk().calls())
    if (call.op == Op::read) places.push_back({call.offset, call.length});
  return places;
}

// Whether the call is at the place of a request, which may wait for it then: what a filter has kept is written below at
// the time of another request.
bool touches(const Disk::Call& call, const std::vector<Range>& places) {
  return call.op != Op::flush && std::ranges::any_of(places, [&](Range place) {
           return call.offset < place.end() && place.offset < call.end();
         });
}

// Calls `f(op, other)` for all ops that the device offers.
template <class F>
void each_pair(Bench& bench, F f) {
  for (const Op one : all_ops)
    for (const Op other : all_ops)
      if (bench.may_send(one) && bench.may_send(other)) f(one, other);
}

// The disk notes a call by a thread that holds a lock: any request shows it, also one of a serial filter.
void check_held(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  Bench bench(s);
  Random random(s.options.seed);
  Model model(bench.device());
  for (const Op op : all_ops) {
    if (!bench.may_send(op)) continue;
    for (const std::uint64_t most : {std::uint64_t{512}, std::uint64_t{9000}, std::uint64_t{64} << 10})
      send(model, bench.device(), op, model.pick(random, model.longest(op, most)), random);
  }
  bench.look();
}

// While the layer below carries out a request, another runs on the same thread, as a host may have it: a mutex that is
// held then would wait for itself, and what is kept for the thread is another request's.
void check_same_thread(const Subject& s) {
  Bench bench(s);
  need(s, bench, 256 << 10);
  Random random(s.options.seed);
  const auto [here, there] = apart(bench.geometry());
  const std::vector<Range> there_below = reached_by(bench, there);
  Model model(bench.device());
  const auto second = bench.open();
  const Device* const devices[] = {&bench.device(), &second->device};
  for (const Device* device : devices)
    each_pair(bench, [&](Op one, Op other) {
      bool inside = false;
      std::exception_ptr failure;
      bench.disk().judge([&](const Disk::Call& call, std::size_t) {
        if (inside || touches(call, there_below)) return Status::success();
        inside = true;
        s.watch.scene(scene(call.op));
        try {
          send(model, *device, other, there, random);
        } catch (...) {
          failure = std::current_exception();  // nothing is thrown through the module
        }
        s.watch.scene(nullptr);
        return Status::success();
      });
      send(model, bench.device(), one, here, random);
      bench.disk().judge({});
      if (failure) std::rethrow_exception(failure);
      model.compare(here, "another request ran on the thread meanwhile");
      model.compare(there, "it ran on the thread of another request");
    });
  bench.look();
}

// Runs `f` on a thread of its own, and throws what that throws.
class Other {
 public:
  explicit Other(std::function<void()> f)
      : thread_([this, f = std::move(f)] {
          try {
            f();
          } catch (...) {
            error_ = std::current_exception();
          }
          const std::lock_guard guard(mutex_);
          done_ = true;
          ready_.notify_all();
        }) {}
  ~Other() {
    if (thread_.joinable()) thread_.join();
  }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;

  void wait() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return done_; });
  }
  bool is_done() {
    const std::lock_guard guard(mutex_);
    return done_;
  }
  // As long as another thread needs to come to a lock.
  void wait_a_little() {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, std::chrono::milliseconds(30), [this] { return done_; });
  }
  void finish() {
    thread_.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  bool done_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

// The same on another thread, where a lock that its owner may take twice shows, too.
void check_other_thread(const Subject& s) {
  Bench bench(s);
  need(s, bench, 256 << 10);
  Random random(s.options.seed), others_random(s.options.seed + 1);
  const auto [here, there] = apart(bench.geometry());
  const std::vector<Range> there_below = reached_by(bench, there);
  Model model(bench.device()), others(bench.device());
  each_pair(bench, [&](Op one, Op other) {
    std::optional<Other> running;
    std::atomic<bool> inside{false};
    bench.disk().judge([&](const Disk::Call& call, std::size_t) {
      if (touches(call, there_below) || inside.exchange(true)) return Status::success();
      s.watch.scene(scene(call.op));
      running.emplace([&] { send(others, bench.device(), other, there, others_random); });
      running->wait();
      s.watch.scene(nullptr);
      return Status::success();
    });
    send(model, bench.device(), one, here, random);
    bench.disk().judge({});
    if (running) running->finish();
  });
  bench.look();
}

// Of two requests for the same bytes, by two threads: the second comes while the first is under way in the layer below.
// It may go on, or wait, which it does by ashlar.wait: whoever waits otherwise keeps a thread.
void overlap(Bench& bench, Op one, Op other) {
  constexpr std::chrono::seconds patience{5};
  const std::uint64_t block = std::max<std::uint64_t>(bench.geometry().minimum, 512);
  const Range range{block, block};
  const Bytes bytes(block);
  std::optional<Other> running;
  std::atomic<bool> inside{false}, stuck{false};
  bench.disk().judge([&](const Disk::Call&, std::size_t) {
    if (inside.exchange(true)) return Status::success();
    const std::uint64_t waits = bench.services().waits();
    running.emplace([&] { static_cast<void>(ask(bench.device(), other, range, Flag::none, bytes)); });
    const auto end = Services::Clock::now() + patience;
    while (!running->is_done() && bench.services().waits() == waits && !stuck) {
      running->wait_a_little();
      stuck = Services::Clock::now() > end;
    }
    return Status::success();
  });
  static_cast<void>(ask(bench.device(), one, range, Flag::none, bytes));
  if (running) running->finish();
  bench.disk().judge({});
  if (stuck)
    throw Broken{std::string(name(other)) + " waits for a " + name(one) + " of the same bytes, and not by ashlar.wait"};
}

void check_turns(const Subject& s) {
  over_layers(s, {{}, {.geometry = [](Geometry& g) { g.minimum = g.preferred = 4096; }}}, [&](Bench& bench) {
    need(s, bench, 256 << 10);
    each_pair(bench, [&](Op one, Op other) { overlap(bench, one, other); });
  });
}

// Two writes of `unit` bytes within one block, by one connection or by two: the second comes while the first has read
// the block and not written it yet.
void write_within_a_block(const Subject& s, Bench& bench, std::uint64_t unit, std::uint64_t block,
                          bool two_connections) {
  need(s, bench, 4 * block);
  bench.need_writes();
  const auto second = bench.open();
  const Device& by = two_connections ? second->device : bench.device();
  Random random(s.options.seed);
  const Range one{block, unit}, other{block + unit, unit};
  for (const Op op : {Op::write, Op::zero}) {
    if (!bench.geometry().ops.has(op)) continue;
    const Bytes first = some_bytes(random, unit), then = some_bytes(random, unit);
    std::optional<Other> running;
    std::atomic<bool> has_read{false}, begun{false};
    bench.disk().judge([&](const Disk::Call& call, std::size_t) {
      if (call.op == Op::read && !has_read.exchange(true)) return Status::success();
      if (call.op != Op::write || begun.exchange(true)) return Status::success();
      running.emplace(
          [&] { must(write(by, other.offset, then), {.op = Op::write, .offset = other.offset, .length = unit}); });
      running->wait_a_little();
      return Status::success();
    });
    if (op == Op::write)
      must(write(bench.device(), one.offset, first), {.op = op, .offset = one.offset, .length = unit});
    else must(act(bench.device(), op, one.offset, unit), {.op = op, .offset = one.offset, .length = unit});
    if (running) running->finish();
    bench.disk().judge({});
    if (!running) continue;
    const char* gone = "of two requests within a block at the same time, one undid the other";
    require(read_all(bench.device(), other.offset, unit) == then, gone);
    require(read_all(bench.device(), one.offset, unit) == (op == Op::write ? first : Bytes(unit)), gone);
  }
}

void check_race(const Subject& s) {
  if (!s.is_filter()) throw NotMade{"only a filter's can be seen"};
  over_layers(s,
              {{.geometry = [](Geometry& g) { g.minimum = g.preferred = 512; }},
               {.geometry = [](Geometry& g) { g.minimum = g.preferred = 4096; }},
               {}},
              [&](Bench& bench) {
                // A filter may have blocks of its own where the layer below has none.
                const std::uint64_t unit = std::max<std::uint64_t>(bench.geometry().minimum, 64);
                if (unit * 2 > 4096) throw NotMade{"it wants whole blocks itself"};
                for (const std::uint64_t block : {std::uint64_t{512}, std::uint64_t{4096}})
                  for (const bool two_connections : {false, true})
                    if (unit * 2 <= block) write_within_a_block(s, bench, unit, block, two_connections);
              });
}

}  // namespace

std::span<const Check> lock_checks() {
  static constexpr Check checks[] = {
      {"held", "takes no lock along into a call below", &check_held},
      {"same-thread", "holds nothing of its thread over a call below", &check_same_thread},
      {"other-thread", "another thread can call meanwhile", &check_other_thread},
      {"turns", "a request that waits for another does so by ashlar.wait", &check_turns},
      {"race", "requests within one block do not undo each other", &check_race},
  };
  return checks;
}

}  // namespace ashlar::check
