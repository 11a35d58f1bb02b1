#include "session/executor.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <latch>
#include <memory>

#include "matchers.hpp"
#include "session/workers.hpp"

namespace ashlar::host {
namespace {

class CallTask final : public Task {
 public:
  explicit CallTask(std::function<void()> what) : what_(std::move(what)) {}
  void run() noexcept override { what_(); }

 private:
  std::function<void()> what_;
};

}  // namespace

TEST_CASE("every task runs once, and the destructor waits for all") {
  std::atomic<int> ran{0};
  std::deque<CallTask> tasks;
  {
    Executor executor;
    for (int i = 0; i < 500; ++i) executor.submit(tasks.emplace_back([&] { ++ran; }));
  }
  CHECK(ran == 500);
}

TEST_CASE("a task never waits behind one that blocks") {
  constexpr int count = 40;
  std::latch together(count);
  std::deque<CallTask> tasks;
  Executor executor;
  // Each round finds threads that are idle, on their way to idle, or none.
  for (int i = 0; i < 100; ++i) executor.submit(tasks.emplace_back([] {}));
  for (int i = 0; i < count; ++i) executor.submit(tasks.emplace_back([&] { together.arrive_and_wait(); }));
  together.wait();
}

TEST_CASE("tasks may submit tasks, from several threads and while the executor ends") {
  std::atomic<int> ran{0};
  std::deque<CallTask> leaves;
  for (int i = 0; i < 200; ++i) leaves.emplace_back([&] { ++ran; });
  auto owner = std::make_unique<Executor>();
  Executor& executor = *owner;
  std::deque<CallTask> roots;
  for (std::size_t i = 0; i < 4; ++i)
    roots.emplace_back([&, i] {
      for (std::size_t j = 0; j < 50; ++j) executor.submit(leaves[50 * i + j]);
    });
  std::latch started(1);
  CallTask first([&] {
    started.count_down();
    for (CallTask& root : roots) executor.submit(root);
  });
  executor.submit(first);
  started.wait();
  owner.reset();
  CHECK(ran == 200);
}

TEST_CASE("workers' places are as many as were said, and a retaken one counts") {
  Workers workers(2);
  CHECK(workers.take());
  CHECK(workers.take());
  CHECK_FALSE(workers.take());
  workers.give_back();
  CHECK(workers.take());
  // Given back for a wait, taken by another, retaken behind it: one too many.
  workers.give_back();
  CHECK(workers.take());
  workers.retake();
  CHECK_FALSE(workers.take());
  workers.give_back();
  CHECK_FALSE(workers.take());
  workers.give_back();
  CHECK(workers.take());
}

}  // namespace ashlar::host
