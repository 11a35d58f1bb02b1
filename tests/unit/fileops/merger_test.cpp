// Zeroes and trims of one file that come from several threads.
#include "fileops/merger.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

std::optional<ashlar::Wait> wait() {
  static Log log;
  return wait_of(log.host());
}

Zeroing zero(Range range) { return {Op::zero, true, false, range}; }
Zeroing trim(Range range) { return {Op::trim, true, false, range}; }

// Returns whether it came true. A test that waits for what does not come fails instead of hanging.
bool comes_true(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

struct Outcome {
  std::vector<Zeroing> calls;  // but for the first, that the others wait for
  std::vector<int> errors;     // of the others, in their order
  std::vector<char> in_vain;
  bool first_in_vain = true;
  bool all_waited = true;

  bool has(Op op, Range range) const {
    return std::count_if(calls.begin(), calls.end(),
                         [&](const Zeroing& c) { return c.op == op && c.range == range; }) == 1;
  }
};

// Runs `others` from a thread each, which come in this order while a first one is being done. That ends when all wait.
Outcome run_together(const std::vector<Zeroing>& others, const std::function<Status(const Zeroing&)>& act) {
  Outcome out;
  out.errors.resize(others.size());
  out.in_vain.resize(others.size());
  std::atomic<bool> first_runs{false}, first_may_end{false};
  Merger merger(wait(), [&](const Zeroing& zeroing) {
    if (!first_runs.exchange(true)) {
      comes_true([&] { return first_may_end.load(); });
      return Status::success();
    }
    out.calls.push_back(zeroing);
    return act(zeroing);
  });
  std::thread first([&] { out.first_in_vain = merger.run(trim({1, 1})).in_vain; });
  out.all_waited = comes_true([&] { return first_runs.load(); });
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < others.size(); ++i) {
    threads.emplace_back([&, i] {
      const Merger::Result result = merger.run(others[i]);
      out.errors[i] = result.status.code();
      out.in_vain[i] = result.in_vain;
    });
    out.all_waited &= comes_true([&] { return merger.waiting() == i + 1; });
  }
  first_may_end = true;
  for (std::thread& thread : threads) thread.join();
  first.join();
  return out;
}

Status succeed(const Zeroing&) { return Status::success(); }

}  // namespace

TEST_CASE("zeroes that wait and touch are done as one") {
  const Outcome out = run_together(
      {zero({64 * K, 64 * K}), zero({0, 64 * K}), zero({192 * K, 64 * K}), zero({100 * K, 60 * K})}, succeed);
  REQUIRE(out.all_waited);
  REQUIRE(out.calls.size() == 2);
  REQUIRE(out.has(Op::zero, {0, 160 * K}));
  REQUIRE(out.has(Op::zero, {192 * K, 64 * K}));
  REQUIRE(out.errors == std::vector<int>(4, 0));
}

TEST_CASE("what asks for something else is not done together: op, may_trim, fast") {
  for (const Zeroing& other :
       {trim({K, K}), Zeroing{Op::zero, false, false, {K, K}}, Zeroing{Op::zero, true, true, {K, K}}}) {
    const Outcome out = run_together({zero({0, K}), other}, succeed);
    REQUIRE(out.all_waited);
    REQUIRE(out.calls.size() == 2);
  }
}

TEST_CASE("those that touch nothing are done in the order they came, and each is answered when it is done") {
  std::atomic<bool> first_answered{false};
  bool both_waited = false, answered_before_last = false;
  Merger* same = nullptr;
  std::vector<Range> order;
  std::atomic<int> calls{0};
  Merger merger(wait(), [&](const Zeroing& zeroing) {
    if (++calls == 1) both_waited = comes_true([&] { return same->waiting() == 2; });
    else order.push_back(zeroing.range);
    if (calls == 3) answered_before_last = comes_true([&] { return first_answered.load(); });
    return Status::success();
  });
  same = &merger;
  std::thread first([&] { merger.run(zero({0, K})); });
  comes_true([&] { return calls == 1; });
  std::thread second([&] { merger.run(zero({8 * K, K})), first_answered = true; });
  comes_true([&] { return merger.waiting() == 1; });
  merger.run(zero({4 * K, K}));
  first.join();
  second.join();
  REQUIRE(both_waited);
  REQUIRE(answered_before_last);
  REQUIRE(order == std::vector<Range>{{8 * K, K}, {4 * K, K}});
}

TEST_CASE("of several that fail together, each is done again and has its own answer") {
  const Outcome out = run_together({zero({0, K}), zero({2 * K, K}), zero({K, K})}, [](const Zeroing& zeroing) {
    return zeroing.range.end() > 2 * K ? Status{ENOSPC} : Status::success();
  });
  REQUIRE(out.all_waited);
  REQUIRE(out.has(Op::zero, {0, 3 * K}));
  REQUIRE(out.calls.size() == 4);
  REQUIRE(out.errors == std::vector<int>{0, ENOSPC, 0});
}

TEST_CASE("not too many are done as one, nor too much") {
  std::vector<Zeroing> others;
  for (std::size_t i = 0; i < Merger::most_at_once + 1; ++i) others.push_back(zero({i * K, K}));
  const Outcome many = run_together(others, succeed);
  REQUIRE(many.all_waited);
  REQUIRE(many.calls.size() == 2);
  REQUIRE(many.has(Op::zero, {0, Merger::most_at_once * K}));

  const std::uint64_t half = Merger::most_bytes / 2;
  const Outcome much = run_together({zero({0, half}), zero({half, half}), zero({2 * half, half})}, succeed);
  REQUIRE(much.all_waited);
  REQUIRE(much.has(Op::zero, {0, 2 * half}));
  REQUIRE(much.has(Op::zero, {2 * half, half}));
}

TEST_CASE("the largest offset is no obstacle") {
  const std::uint64_t last = std::uint64_t{INT64_MAX} - K;
  const Outcome out = run_together({zero({last, K}), zero({last - K, K})}, succeed);
  REQUIRE(out.all_waited);
  REQUIRE(out.has(Op::zero, {last - K, 2 * K}));
}

TEST_CASE("a worker was in vain if nobody else came, if nothing touched, or if doing it together failed") {
  Merger merger(wait(), succeed);
  REQUIRE(merger.run(zero({0, K})).in_vain);
  REQUIRE(merger.run(zero({0, K})).in_vain);

  const Outcome touching = run_together({zero({0, K}), zero({K, K})}, succeed);
  REQUIRE_FALSE(touching.first_in_vain);  // others came: they may touch each other
  REQUIRE(std::count(touching.in_vain.begin(), touching.in_vain.end(), 1) == 0);
  const Outcome apart = run_together({zero({0, K}), zero({2 * K, K})}, succeed);
  REQUIRE(std::count(apart.in_vain.begin(), apart.in_vain.end(), 1) == 2);
  const Outcome failing = run_together({zero({0, K}), zero({K, K})}, [](const Zeroing&) { return Status{EIO}; });
  REQUIRE(std::count(failing.in_vain.begin(), failing.in_vain.end(), 1) == 1);  // the thread that did it tells
}

TEST_CASE("from many threads: all of it is zeroed, nothing else, and never by two at once") {
  const bool host_offers_to_wait = GENERATE(true, false);
  constexpr std::uint64_t blocks = 4096;
  std::vector<char> zeroed(blocks, 0), wanted(blocks, 0);
  std::atomic<int> acting{0}, calls{0};
  std::atomic<bool> overlapped{false};
  Merger merger(host_offers_to_wait ? wait() : std::nullopt, [&](const Zeroing& zeroing) {
    if (acting.fetch_add(1) != 0) overlapped = true;
    ++calls;
    std::fill_n(zeroed.begin() + static_cast<std::ptrdiff_t>(zeroing.range.offset), zeroing.range.length, 1);
    std::this_thread::sleep_for(std::chrono::microseconds(20));
    acting.fetch_sub(1);
    return Status::success();
  });
  std::mt19937 random(1);
  std::vector<std::vector<Range>> ranges(8);
  int count = 0;
  for (std::uint64_t at = 0; at < blocks - 8; ++count) {
    const Range range{at, 1 + random() % 8};
    at = range.end() + (random() % 4 == 0 ? random() % 8 : 0);
    std::fill_n(wanted.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length, 1);
    ranges[static_cast<std::size_t>(count) % ranges.size()].push_back(range);
  }
  std::vector<std::thread> threads;
  for (const auto& mine : ranges)
    threads.emplace_back([&] {
      for (const Range& range : mine) merger.run(zero(range));
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(zeroed == wanted);
  REQUIRE_FALSE(overlapped);
  REQUIRE(merger.waiting() == 0);
  REQUIRE(calls <= count);
}

namespace {

constexpr Flags inline_zero = Flag::nowait | Flag::may_trim;

// A file whose holes take so long to punch.
struct Slow : Bench {
  explicit Slow(std::int64_t ns) : Bench(Kind::file) {
    disk.fault = [this, ns](Call call) {
      if (call == Call::punch) disk.clock += ns;
      return 0;
    };
  }
};

}  // namespace

TEST_CASE("a file that zeroes slowly does so on workers for a while, and is written to as before") {
  Slow b(Calm::slow_ns + 1);
  REQUIRE(b.zero({0, 4096}, inline_zero) == 0);
  REQUIRE(b.zero({4096, 4096}, inline_zero) == EAGAIN);
  REQUIRE(b.trim({4096, 4096}, Flag::nowait) == EAGAIN);
  REQUIRE(b.write({0, 512}, 1, Flag::nowait) == 0);
  b.disk.clock += (Calm::slow_ns + 1) * Calm::quiet_factor;
  REQUIRE(b.zero({4096, 4096}, inline_zero) == 0);
}

TEST_CASE("where workers gained nothing, some run inline however slow, but not if they block") {
  Slow b(Calm::slow_ns + 1);
  REQUIRE(b.zero({0, 4096}, inline_zero) == 0);
  REQUIRE(b.zero({0, 4096}, inline_zero) == EAGAIN);
  REQUIRE(b.zero({0, 4096}, Flag::may_trim | Flag::fua) == 0);
  REQUIRE(b.zero({0, 4096}, inline_zero) == EAGAIN);  // FUA would have been on a worker in any case
  REQUIRE(b.zero({0, 4096}, Flag::may_trim) == 0);
  int inlined = 0;
  while (b.zero({0, 4096}, inline_zero) == 0 && inlined < 1000) ++inlined;
  REQUIRE(inlined == 64 + 1);

  Slow blocking(Calm::blocked_ns + 1);
  REQUIRE(blocking.zero({0, 4096}, inline_zero) == 0);
  REQUIRE(blocking.zero({0, 4096}, Flag::may_trim) == 0);
  REQUIRE(blocking.zero({0, 4096}, inline_zero) == EAGAIN);
  REQUIRE(blocking.write({0, 512}, 1, Flag::nowait) == EAGAIN);
}

TEST_CASE("those of a file that are done as one: each FUA is synced, each that must be written is counted") {
  Bench b(Kind::file);
  std::atomic<int> calls{0};
  b.disk.lacking = {Call::zero_range, Call::write_zeroes};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] { calls += b.zero({i * 4096, 4096}, Flag::may_trim | Flag::fua) == 0; });
  for (auto& thread : threads) thread.join();
  REQUIRE(calls == 4);
  REQUIRE(b.disk.count(Call::fdatasync) == 4);
  REQUIRE(b.disk.cells.holds({0, 4 * 4096}, 0));
  REQUIRE(only(b.disk, {0, 4 * 4096}, M));

  threads.clear();
  b.disk.lacking.push_back(Call::punch);
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] { calls += b.zero({M / 2 + i * 4096, 4096}, Flag::may_trim) == ENOTSUP; });
  for (auto& thread : threads) thread.join();
  REQUIRE(calls == 8);
  REQUIRE(b.disk.cells.untouched({M / 2, 4 * 4096}));
  b.backend.reset();  // logs the totals
  REQUIRE(std::any_of(b.log.info.begin(), b.log.info.end(), [](const std::string& line) {
    return line.find("16K left to be written") != std::string::npos;
  }));
}
