#include "chain/condition.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "chain/exchange_gate.hpp"

namespace ashlar::host {
namespace {

// Runs calls on fibers of one thread until all are done.
class Runner final : Fiber::Scheduler {
 public:
  struct Run final : Fiber::Call {
    explicit Run(std::function<void()> function) : what(std::move(function)) {}
    void run_on_fiber() noexcept override { what(); }
    std::function<void()> what;
  };
  void start(std::function<void()> what) {
    runs_.emplace_back(std::move(what));
    fibers_.push_back(std::make_unique<Fiber>(stacks_, stacks_.try_take(), static_cast<Fiber::Scheduler&>(*this)));
    fibers_.back()->start(runs_.back());
  }
  void finish() {
    const auto all_done = [&] {
      return std::all_of(fibers_.begin(), fibers_.end(), [](const auto& one) { return one->is_at_rest(); });
    };
    while (!all_done()) {
      std::unique_lock lock(mutex_);
      REQUIRE(changed_.wait_for(lock, std::chrono::seconds(60), [&] { return !ready_.empty(); }));
      Fiber* const next = ready_.front();
      ready_.pop_front();
      lock.unlock();
      next->resume();
    }
  }

 private:
  void ready(Fiber& fiber) noexcept override {
    const std::lock_guard lock(mutex_);
    ready_.push_back(&fiber);
    changed_.notify_one();
  }
  std::int64_t transfer(Fiber&, const Transfer& what) noexcept override { return host::transfer(what); }
  void run_elsewhere(Fiber&, void (*work)(void*) noexcept, void* argument) noexcept override { work(argument); }

  StackPool stacks_{100};
  std::deque<Run> runs_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Fiber*> ready_;
};

}  // namespace

TEST_CASE("fibers and threads wait for the same condition") {
  std::mutex mutex;
  Condition changed;
  int turn = 0, done = 0;
  const auto wait = [&](int for_turn) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return turn >= for_turn; });
    ++done;
  };
  Runner runner;
  for (int i = 1; i != 20; ++i) runner.start([&, i] { wait(i); });
  std::thread other([&] { wait(10); });
  std::thread turns([&] {
    for (int i = 1; i != 20; ++i) {
      const std::lock_guard lock(mutex);
      turn = i;
      changed.notify_all();
    }
  });
  runner.finish();
  other.join();
  turns.join();
  CHECK(done == 20);
}

TEST_CASE("layers are exchanged while requests on fibers of one thread are below them, and others come") {
  ExchangeGate gate;
  Runner runner;
  std::mutex mutex;
  Condition leave;
  bool may_leave = false, changed = false;
  int passed = 0;
  const auto request = [&] {
    REQUIRE(gate.enter(true));
    std::unique_lock lock(mutex);
    leave.wait(lock, [&] { return may_leave; });
    lock.unlock();
    gate.leave();
    ++passed;
  };
  for (int i = 0; i != 3; ++i) runner.start(request);
  runner.start([&] { gate.change(1, [&] { return changed = true, 0; }); });
  CHECK_FALSE(gate.enter(false));
  for (int i = 0; i != 3; ++i) runner.start(request);
  CHECK_FALSE(changed);
  {
    const std::lock_guard lock(mutex);
    may_leave = true;
    leave.notify_all();
  }
  runner.finish();
  CHECK(changed);
  CHECK(passed == 6);
  CHECK(gate.generation() == 2);
}

}  // namespace ashlar::host
