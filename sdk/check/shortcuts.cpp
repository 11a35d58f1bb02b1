// Requests that must not wait, and reads that are lent or told of.
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <system_error>

#include "change.hpp"
#include "checks.hpp"

namespace ashlar::check {
namespace {

// Layers below that answer reads in each way.
std::vector<Under> layers_for_reads() {
  return {{.lends = Disk::Lends::by_turns},
          {.lends = Disk::Lends::warm},
          {.lends = Disk::Lends::cold},
          {.lends = Disk::Lends::never},
          {.far = true}};
}

void need(Bench& bench, Flags flags, const char* what) {
  if (!bench.geometry().flags.has(flags)) throw NotMade{std::string("it does not know ") + what};
}

// Reads with `flags` give what plain ones do.
void check_shortcut(const Subject& s, Flags flags, const char* what) {
  over_layers(s, layers_for_reads(), [&](Bench& bench) {
    need(bench, flags, what);
    Model model(bench.device());
    Random random(s.options.seed);
    for (Tries tries(s, 150); tries.more();) {
      if (bench.writes() && tries.number() % 3 == 0) change_something(model, random, usual);
      const Range range = model.pick(random, model.longest(Op::read, tries.number() % 2 == 0 ? large : usual));
      const Flags more =
          tries.number() % 4 == 0 ? bench.geometry().flags & (Flag::may_hole | Flag::nowait) : Flag::none;
      model.compare(bench.device(), range, flags | more);
    }
  });
}

void check_lent(const Subject& s) { check_shortcut(s, Flag::may_lend, "may_lend"); }
// What the layer below has lent as cold is not in memory: a filter that lends it as if it were has the host wait.
void cold_stays_cold(const Subject& s) {
  Bench bench(s, {.lends = Disk::Lends::cold});
  const Flags cold = Flag::nowait | Flag::may_lend | Flag::may_lend_cold;
  if (!s.is_filter() || !bench.geometry().flags.has(cold)) return;
  const Model model(bench.device());
  Random random(s.options.seed);
  for (Tries tries(s, 40); tries.more();) {
    const Range range = model.pick(random, model.longest(Op::read, usual));
    const Memory memory(range.length, Memory::Place::amid);
    Request request{
        .op = Op::read, .offset = range.offset, .length = range.length, .flags = cold, .data = memory.data()};
    static_cast<void>(bench.device().send(request));
    require(request.cold || request.lent_fd != bench.disk().store().fd(),
            request.text() + " lent as if it were in memory what the layer below had lent as cold");
  }
}

void check_lent_cold(const Subject& s) {
  cold_stays_cold(s);
  check_shortcut(s, Flag::nowait | Flag::may_lend | Flag::may_lend_cold, "may_lend_cold");
}
void check_holes(const Subject& s) { check_shortcut(s, Flag::may_hole, "may_hole"); }
void check_lend_only(const Subject& s) {
  const Flags only = Flag::nowait | Flag::may_lend | Flag::lend_only;
  check_shortcut(s, only, "lend_only");
  const Flags cold = only | Flag::may_lend_cold, holes = only | Flag::may_hole;
  for (const Flags flags : {cold, holes}) try {
      check_shortcut(s, flags, "it");
    } catch (const NotMade&) {
    }
}

// What was lent, to be looked at later.
struct Loan {
  Request request;
  Bytes bytes;
};

// Bytes that were lent are the disk's, at that place, until the device is closed: those of then, or of now.
void check_loans(const Subject& s) {
  over_layers(s, layers_for_reads(), [&](Bench& bench) {
    need(bench, Flag::may_lend, "may_lend");
    Model model(bench.device());
    Random random(s.options.seed);
    std::vector<Loan> loans;
    for (Tries tries(s, 40); tries.more();) {
      const Range range = model.pick(random, model.longest(Op::read, 256 << 10));
      Memory memory(range.length, Memory::Place::amid);
      Request request{.op = Op::read,
                      .offset = range.offset,
                      .length = range.length,
                      .flags = Flag::may_lend,
                      .data = memory.data()};
      must(bench.device().send(request), request);
      if (!request.lent()) continue;
      const auto bytes = model.bytes(range);
      loans.push_back({request, Bytes(bytes.begin(), bytes.end())});
      if (bench.writes()) change_something(model, random, usual);
    }
    for (const auto& [request, then] : loans) {
      const Bytes found = read_lent(request);
      const auto now = model.bytes({request.offset, request.length});
      for (std::size_t i = 0; i < found.size(); ++i)
        if (found[i] != then[i] && found[i] != now[i] && !model.trimmed({request.offset + i, 1}))
          throw Broken{request.text() + ": at byte " + std::to_string(request.offset + i) +
                       " what it lent holds what the disk never held there"};
    }
  });
}

// A request with NOWAIT, of any kind.
Status without_waiting(Model& model, const Device& device, Op op, Range range, Flags flags, Random& random) {
  if (op != Op::read) return ask_and_follow(model, device, op, range, flags, random);
  const Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
  const Read got = read(device, range.offset, range.length, flags);
  if (got.status.failed()) return got.status;
  const auto wanted = model.bytes(range);
  require(std::equal(wanted.begin(), wanted.end(), got.bytes.begin()), request.text() + " gave other bytes this way");
  return got.status;
}

void try_without_waiting(const Subject& s, Bench& bench) {
  need(bench, Flag::nowait, "nowait");
  Model model(bench.device());
  Random random(s.options.seed);
  const Geometry& g = bench.geometry();
  for (Tries tries(s, 400); tries.more();) {
    const Op op = all_ops[random() % std::size(all_ops)];
    if (!bench.may_send(op)) continue;
    const Range range = model.pick(random, model.longest(op, usual));
    std::vector<Flags> sets = flag_sets(g, op, true);
    std::erase_if(sets, [](Flags f) { return !f.has(Flag::nowait); });
    const Flags flags = sets[random() % sets.size()];
    const Status status = without_waiting(model, bench.device(), op, range, flags, random);
    const std::string text = Request{.op = op, .offset = range.offset, .length = range.length, .flags = flags}.text();
    if (status != Status::would_block() && !(op == Op::zero && status == Status::not_supported()))
      require(status.ok(), text + " answered " + std::to_string(status.code()));
    model.compare_around(range, text + " answered " + std::to_string(status.code()));
  }
  model.compare_all(bench.device());
}

// A filter, over a layer that answers EAGAIN never, always, each second or each third time.
void check_nowait(const Subject& s) {
  for (const std::size_t each : {0u, 1u, 2u, 3u}) {
    Bench bench(s);
    if (s.is_filter() && each != 0)
      bench.disk().judge([each](const Disk::Call& call, std::size_t number) {
        return call.flags.has(Flag::nowait) && number % each == 0 ? Status::would_block() : Status::success();
      });
    try_without_waiting(s, bench);
    bench.look();
    if (!s.is_filter()) return;
  }
}

// Watches a call: whether its thread was blocked for long. A thread that blocks gives its processor away by itself,
// whatever else the machine does. For moments the kernel has any thread wait, so the call must have taken a
// millisecond, too; and since both may come together by chance, what counts is how often.
class Blocked {
 public:
  void begin() {
    slept_ = times_slept();
    from_ = std::chrono::steady_clock::now();
  }
  void end(bool excused = false) {
    const bool long_enough = std::chrono::steady_clock::now() - from_ >= std::chrono::milliseconds(1);
    ++calls_;
    blocked_ += !excused && long_enough && times_slept() != slept_;
  }
  bool is_seldom() const { return blocked_ * 4 < calls_; }
  std::string text(const std::string& what) const {
    return what + " slept " + std::to_string(blocked_) + " times of " + std::to_string(calls_);
  }

 private:
  static long times_slept() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
  }

  int calls_ = 0, blocked_ = 0;
  long slept_ = 0;
  std::chrono::steady_clock::time_point from_;
};

// Where there is much else to do, a call may be late now and then for no fault of its own, but not again and again.
template <class Round>
void must_be_seldom(const std::string& what, Round round) {
  constexpr int rounds = 3;
  for (int i = 0;; ++i) {
    Blocked blocked;
    round(blocked);
    if (blocked.is_seldom()) return;
    if (i + 1 == rounds) throw Broken{blocked.text(what)};
  }
}

// Some tries of one kind, all of them as long as `most`, or short.
void try_without_sleep(Bench& bench, Model& model, Op op, Flags flags, std::uint64_t most, Blocked& blocked,
                       Random& random) {
  const Geometry& g = bench.geometry();
  for (int i = 0; i < 16; ++i) {
    Range range = op == Op::flush ? Range{0, 0} : model.pick(random, model.longest(op, most));
    const Range& place = model.places().front();
    const std::uint64_t whole = std::min(model.longest(op, most), place.length) / g.minimum * g.minimum;
    if (most == usual && op != Op::flush && whole != 0) range = {place.offset, whole};
    Request request{.op = op, .offset = range.offset, .length = range.length, .flags = flags};
    Bytes bytes(range.length);
    if (op == Op::write) std::copy_n(model.bytes(range).begin(), range.length, bytes.begin());
    Sink sink(range.offset, range.length, g.size, flags.has(Flag::req_one) ? 1 : 0);
    if (op == Op::write || (op == Op::read && !flags.has(Flag::lend_only))) request.data = bytes.data();
    if (op == Op::extents || flags.has(Flag::may_hole)) request.sink = &sink;
    blocked.begin();
    const Status status = bench.device().send(request);
    blocked.end();
    if (status.ok() && (op == Op::zero || op == Op::trim)) model.reload(range, op == Op::trim);
  }
}

void check_sleep(const Subject& s) {
  Bench bench(s);
  need(bench, Flag::nowait, "nowait");
  Model model(bench.device());
  Random random(s.options.seed);
  for (const Op op : all_ops) {
    if (!bench.may_send(op)) continue;
    for (const Flags flags : flag_sets(bench.geometry(), op, true))
      for (const std::uint64_t most : {std::uint64_t{4096}, usual})
        if (flags.has(Flag::nowait))
          must_be_seldom(Request{.op = op, .offset = 0, .length = most, .flags = flags}.text(),
                         [&](Blocked& blocked) { try_without_sleep(bench, model, op, flags, most, blocked, random); });
  }
  bench.look();
}

// Runs `f` on a stack as small as that of a request which waits without a thread (sdk/README.md). Throws what it does.
void on_a_small_stack(const std::function<void()>& f) {
  constexpr std::size_t bytes = 256 << 10;
  struct Run {
    const std::function<void()>& f;
    std::exception_ptr error;
  } run{f, nullptr};
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, bytes);
  pthread_t thread;
  const auto start = [](void* argument) -> void* {
    auto& it = *static_cast<Run*>(argument);
    try {
      it.f();
    } catch (...) {
      it.error = std::current_exception();
    }
    return nullptr;
  };
  const int error = ::pthread_create(&thread, &attributes, start, &run);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "no thread");
  ::pthread_join(thread, nullptr);
  if (run.error) std::rethrow_exception(run.error);
}

// The same of a layer that says it never blocks a thread but by ashlar.wait.
void check_parks(const Subject& s) {
  Bench bench(s);
  if (!bench.geometry().parks) throw NotMade{"it does not say that it parks"};
  Model model(bench.device());
  Random random(s.options.seed);
  const auto some_requests = [&](Op op, Blocked& blocked) {
    for (int i = 0; i < 16; ++i) {
      const Range range = model.pick(random, model.longest(op, usual));
      const Bytes bytes = read_all(bench.device(), range.offset, range.length);
      const std::uint64_t waits = bench.services().waits();
      blocked.begin();
      const Status status = ask(bench.device(), op, range, Flag::none, bytes);
      blocked.end(bench.services().waits() != waits);
      if (status != Status::not_supported()) must(status, {.op = op, .offset = range.offset, .length = range.length});
    }
  };
  for (const Op op : all_ops)
    if (bench.may_send(op))
      must_be_seldom(name(op), [&](Blocked& blocked) { on_a_small_stack([&] { some_requests(op, blocked); }); });
  bench.look();
}

// A zero that is offered to be fast is not slower than writing by far.
void check_fast_time(const Subject& s) {
  using Clock = std::chrono::steady_clock;
  if (s.options.in_process) throw NotMade{"nothing is timed"};
  Bench bench(s);
  bench.need_writes();
  need(bench, Flag::fast, "fast");
  const Geometry& g = bench.geometry();
  const std::uint64_t most = g.maximum != 0 ? std::min<std::uint64_t>(g.maximum, 1 << 20) : 1 << 20;
  const std::uint64_t n = std::min(most, g.size) / g.minimum * g.minimum;
  if (n == 0 || !g.ops.has(Op::zero)) throw NotMade{"there is nothing to zero"};
  Random random(s.options.seed);
  const auto timed = [&](Op op, Flags flags, const Bytes& bytes) -> std::optional<Clock::duration> {
    const auto from = Clock::now();
    if (ask(bench.device(), op, {0, n}, flags, bytes).failed()) return {};
    if (g.ops.has(Op::flush)) static_cast<void>(act(bench.device(), Op::flush, 0, 0));
    return Clock::now() - from;
  };
  std::vector<Clock::duration> writes, zeroes;
  for (int i = 0; i < 8; ++i) {
    const auto write = timed(Op::write, Flag::none, some_bytes(random, n)), zero = timed(Op::zero, Flag::fast, {});
    if (!write || !zero) throw NotMade{"it refuses to do so"};
    writes.push_back(*write);
    zeroes.push_back(*zero);
  }
  // On a busy machine any of them may take long, but hardly all.
  const Clock::duration fastest_write = *std::ranges::min_element(writes);
  const Clock::duration fastest_zero = *std::ranges::min_element(zeroes);
  const auto us = [](Clock::duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(d).count()) + " us";
  };
  require(fastest_zero < 4 * fastest_write || fastest_zero < std::chrono::milliseconds(2),
          "zeroing " + std::to_string(n) + " bytes with fast took " + us(fastest_zero) +
              " at the least, writing them " + us(fastest_write));
  bench.look();
}

}  // namespace

std::span<const Check> shortcut_checks() {
  static constexpr Check checks[] = {
      {"fast-time", "what is to be fast is not slower than writing by far", &check_fast_time},
      {"nowait", "a try without waiting does all of it, or nothing", &check_nowait},
      {"sleep", "a try without waiting does not wait", &check_sleep},
      {"parks", "what parks never blocks its thread", &check_parks},
      {"lent", "what is lent are the bytes", &check_lent},
      {"lent-cold", "what is lent from the disk are the bytes", &check_lent_cold},
      {"lend-only", "a read that may only be lent needs no memory", &check_lend_only},
      {"loans", "what was lent stays what it is", &check_loans},
      {"holes", "holes of a read are zeroes", &check_holes},
  };
  return checks;
}

}  // namespace ashlar::check
