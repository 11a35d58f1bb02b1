// Zeroes and trims of one file that come from several threads.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fileops/merger.hpp>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

Zeroing zero(Range range) { return {Op::zero, true, false, range}; }
const Flags inline_trim = Flag::nowait | Flag::may_trim;

Zeroing trim(Range range) { return {Op::trim, true, false, range}; }

struct Done {
  std::vector<Zeroing> calls;  // but for the first, that the others wait for
  std::vector<int> errors;     // of the others, in their order
  bool first_in_vain = true;
  std::vector<bool> in_vain;

  bool has(Op op, Range range) const {
    return std::count_if(calls.begin(), calls.end(),
                         [&](const Zeroing& c) { return c.op == op && c.range == range; }) == 1;
  }
};

// Runs `others` from a thread each while a first one is being done, which ends when all wait.
Done run_together(const std::vector<Zeroing>& others, const std::function<Status(const Zeroing&)>& act) {
  Done done;
  std::atomic<bool> first_runs{false};
  Merger* all = nullptr;
  Merger merger([&](const Zeroing& zeroing) {
    if (!first_runs) {
      first_runs = true;
      while (all->waiting() != others.size()) std::this_thread::yield();
      return Status::success();
    }
    done.calls.push_back(zeroing);
    return act(zeroing);
  });
  all = &merger;
  done.errors.resize(others.size());
  std::vector<char> in_vain(others.size());
  std::thread first([&] { done.first_in_vain = merger.run(trim({1, 1})).in_vain; });
  while (!first_runs) std::this_thread::yield();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < others.size(); ++i) {
    threads.emplace_back([&, i] {
      const Merger::Result result = merger.run(others[i]);
      done.errors[i] = result.status.code();
      in_vain[i] = result.in_vain;
    });
    while (merger.waiting() < std::min(i + 1, others.size()) && all->waiting() != 0) std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  first.join();
  done.in_vain.assign(in_vain.begin(), in_vain.end());
  return done;
}

Status succeed(const Zeroing&) { return Status::success(); }

}  // namespace

TEST_CASE("zeroes that wait and touch are done as one") {
  const Done done = run_together(
      {zero({64 * K, 64 * K}), zero({0, 64 * K}), zero({192 * K, 64 * K}), zero({100 * K, 60 * K})}, succeed);
  REQUIRE(done.calls.size() == 2);
  REQUIRE(done.has(Op::zero, {0, 160 * K}));
  REQUIRE(done.has(Op::zero, {192 * K, 64 * K}));
  REQUIRE(done.errors == std::vector<int>(4, 0));
  REQUIRE_FALSE(done.first_in_vain);
  REQUIRE(done.in_vain == std::vector<bool>(4, false));
}

TEST_CASE("what asks for something else is not done together: op, may_trim, fast") {
  const Done done = run_together(
      {zero({0, K}), trim({K, K}), {Op::zero, false, false, {2 * K, K}}, {Op::zero, true, true, {3 * K, K}}}, succeed);
  REQUIRE(done.calls.size() == 4);
  REQUIRE(std::count(done.in_vain.begin(), done.in_vain.end(), true) == 1);  // the leader tells
}

TEST_CASE("of several that fail together, each is done again and has its own answer") {
  const Done done = run_together({zero({0, K}), zero({K, K}), zero({2 * K, K})}, [](const Zeroing& zeroing) {
    return zeroing.range.end() > 2 * K ? Status{ENOSPC} : Status::success();
  });
  REQUIRE(done.has(Op::zero, {0, 3 * K}));
  REQUIRE(done.calls.size() == 4);
  REQUIRE(done.errors == std::vector<int>{0, 0, ENOSPC});
}

TEST_CASE("not too many are done at once, nor too much") {
  std::vector<Zeroing> others;
  for (std::size_t i = 0; i < Merger::most_at_once + 1; ++i) others.push_back(zero({i * K, K}));
  REQUIRE(run_together(others, succeed).calls.size() == 2);

  const std::uint64_t half = Merger::most_bytes / 2;
  const Done done = run_together({zero({0, half}), zero({half, half}), zero({2 * half, half})}, succeed);
  REQUIRE(done.has(Op::zero, {0, 2 * half}));
  REQUIRE(done.has(Op::zero, {2 * half, half}));
}

TEST_CASE("the end of an offset's range is no obstacle") {
  const std::uint64_t last = std::uint64_t{INT64_MAX} - K + 1;
  const Done done = run_together({zero({last - K, K}), zero({last, K - 1})}, succeed);
  REQUIRE(done.has(Op::zero, {last - K, 2 * K - 1}));
}

TEST_CASE("one that nobody waits for was on a worker in vain") {
  Merger merger(succeed);
  REQUIRE(merger.run(zero({0, K})).in_vain);
  REQUIRE(merger.run(zero({0, K})).in_vain);
}

TEST_CASE("inline only if nobody is at it; who comes meanwhile waits, and is done then") {
  int calls = 0;
  Merger* same = nullptr;
  Merger merger([&](const Zeroing&) {
    ++calls;
    REQUIRE_FALSE(same->try_run([] { return Status::success(); }));
    return Status{EIO};
  });
  same = &merger;
  REQUIRE(merger.run(zero({0, K})).status.code() == EIO);

  std::thread other;
  Status of_other = Status::success();
  const auto inlined = merger.try_run([&] {
    other = std::thread([&] { of_other = merger.run(zero({0, K})).status; });
    while (merger.waiting() == 0) std::this_thread::yield();
    REQUIRE(calls == 1);
    return Status{ENOSPC};
  });
  other.join();
  REQUIRE(inlined->code() == ENOSPC);
  REQUIRE(of_other.code() == EIO);
  REQUIRE(merger.try_run([] { return Status::success(); })->ok());
}

TEST_CASE("from many threads: all of it is zeroed, nothing else, and never by two at once") {
  constexpr std::uint64_t blocks = 4096, threads_count = 8;
  std::vector<char> zeroed(blocks, 0);
  std::atomic<int> acting{0};
  std::atomic<bool> overlapped{false};
  const auto fill = [&](Range range) {
    if (acting.fetch_add(1) != 0) overlapped = true;
    for (std::uint64_t i = range.offset; i < range.end(); ++i) zeroed[i] = 1;
    acting.fetch_sub(1);
    return Status::success();
  };
  Merger merger([&](const Zeroing& zeroing) { return fill(zeroing.range); });
  std::vector<char> wanted(blocks, 0);
  std::vector<std::vector<Range>> ranges(threads_count);
  std::mt19937 random(1);
  for (auto& mine : ranges)
    for (int i = 0; i < 300; ++i) {
      const Range range{random() % (blocks - 8), 1 + random() % 7};
      if (range.offset % 512 < 100) continue;
      std::fill_n(wanted.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length, 1);
      mine.push_back(range);
    }
  std::vector<std::thread> threads;
  for (const auto& mine : ranges)
    threads.emplace_back([&] {
      for (const Range& range : mine)
        if (!merger.try_run([&] { return fill(range); })) merger.run(zero(range));
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(zeroed == wanted);
  REQUIRE_FALSE(overlapped);
  REQUIRE(merger.waiting() == 0);
}

TEST_CASE("a file that zeroes slowly does so on workers, and is written to as before") {
  Bench b(Kind::file);
  b.disk.fault = [&b](Call call) {
    if (call == Call::punch) b.disk.clock += Calm::slow_ns + 1;
    return 0;
  };
  REQUIRE(b.zero({0, 4096}, inline_trim) == 0);
  REQUIRE(b.zero({4096, 4096}, inline_trim) == EAGAIN);
  REQUIRE(b.trim({4096, 4096}, Flag::nowait) == EAGAIN);
  REQUIRE(b.write({0, 512}, 1, Flag::nowait) == 0);
  b.disk.clock += (Calm::slow_ns + 1) * Calm::quiet_factor;
  REQUIRE(b.zero({4096, 4096}, inline_trim) == 0);
}

TEST_CASE("where workers gained nothing, the next ones run inline however slow") {
  Bench b(Kind::file);
  b.disk.fault = [&b](Call call) {
    if (call == Call::punch) b.disk.clock += Calm::slow_ns + 1;
    return 0;
  };
  REQUIRE(b.zero({0, 4096}, inline_trim) == 0);
  REQUIRE(b.zero({0, 4096}, inline_trim) == EAGAIN);
  REQUIRE(b.zero({0, 4096}, Flag::may_trim) == 0);
  REQUIRE(b.zero({0, 4096}, inline_trim) == 0);
  REQUIRE(b.zero({0, 4096}, inline_trim) == 0);
  b.disk.fault = [&b](Call) {
    b.disk.clock += Calm::blocked_ns + 1;
    return 0;
  };
  REQUIRE(b.zero({0, 4096}, inline_trim) == 0);
  REQUIRE(b.zero({0, 4096}, inline_trim) == EAGAIN);  // but not if they block
  REQUIRE(b.zero({0, 4096}, Flag::may_trim) == 0);
  REQUIRE(b.zero({0, 4096}, inline_trim) == EAGAIN);
}
