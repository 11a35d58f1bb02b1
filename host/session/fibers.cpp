#include "session/fibers.hpp"

#include <algorithm>
#include <functional>
#include <new>
#include <utility>

namespace ashlar::host {
namespace {

// Those that wait look so often whether their calls were cancelled.
constexpr std::chrono::milliseconds between_looks{100};

constexpr auto never = Fiber::Clock::time_point::max();

}  // namespace

struct Fibers::One final : Fiber {
  One(StackPool& stacks, Stack stack, Scheduler& scheduler, std::shared_ptr<Activity> activity,
      std::shared_ptr<void> memory)
      : Fiber(stacks, stack, scheduler), lease(std::move(memory)), note(std::move(activity)) {}

  const std::shared_ptr<void> lease;  // of its memory
  FiberNote note;
  One* next_ready = nullptr;
};

Fibers::Fibers(const Needs& needs, std::shared_ptr<Activity> activity)
    : needs_(needs), activity_(std::move(activity)), blocking_(*this, needs.executor, needs.workers) {
  needs_.waiter.set_fibers(this);
  needs_.outlet.set_waiter(&needs_.waiter);
}

Fibers::~Fibers() {
  drop_those_at_rest();
  needs_.outlet.set_waiter(nullptr);
  needs_.waiter.set_fibers(nullptr);
}

bool Fibers::have_room() {
  if (!at_rest_.empty()) return true;
  all_.reserve(all_.size() + 1);
  at_rest_.reserve(all_.capacity());  // filling these must not fail
  sleepers_.reserve(all_.capacity());
  std::shared_ptr<void> lease = needs_.memory.try_lease(counted);
  if (!lease) return false;
  const Stack stack = needs_.stacks.try_take();
  if (!stack.is_there()) return false;
  make_one(stack, std::move(lease));
  return true;
}

void Fibers::make_one(Stack stack, std::shared_ptr<void> lease) {
  Fiber::Scheduler& scheduler = *this;
  try {
    all_.push_back(std::make_unique<One>(needs_.stacks, stack, scheduler, activity_, std::move(lease)));
  } catch (const std::bad_alloc&) {
    needs_.stacks.give_back(stack);
    throw;
  }
  at_rest_.push_back(all_.back().get());
}

void Fibers::start(Fiber::Call& call) {
  One& one = *at_rest_.back();
  at_rest_.pop_back();
  if (aside_++ == 0) looked_ = Fiber::Clock::now();
  run_on(one, [&] { one.start(call); });
}

// Runs `one`, and sees to what has become of it.
template <class Go>
void Fibers::run_on(One& one, Go go) {
  one.note.exchange();
  go();
  one.note.exchange();
  if (one.is_at_rest()) {
    --aside_;
    at_rest_.push_back(&one);
  } else if (one.until() != never) {
    sleepers_.push_back({one.until(), &one});
    std::push_heap(sleepers_.begin(), sleepers_.end(), std::greater<>());
  }
}

void Fibers::resume_and_send() {
  resume_ready();
  needs_.outlet.send_gathered();
}

// A client is not to be blamed for the time that its requests take.
void Fibers::resume_ready() {
  const bool counts = needs_.memory.wanted_by_others();
  const auto began = counts ? Fiber::Clock::now() : Fiber::Clock::time_point();
  resume_all();
  if (counts) taken_ += Fiber::Clock::now() - began;
  if (needs_.memory.is_wanted()) drop_those_at_rest();  // this may be within a wait for it
}

void Fibers::resume_all() {
  for (One* one = take_ready(); one != nullptr;) {
    One& now = *std::exchange(one, one->next_ready);
    run_on(now, [&] { now.resume(); });
  }
  if (aside_ != 0) run_waiting();
}

// Those that nobody has made ready: sleepers, and who hears now that its call was cancelled.
void Fibers::run_waiting() {
  const auto now = Fiber::Clock::now();
  run_due(now);
  if (now - looked_ < between_looks) return;
  looked_ = now;
  have_all_look();
}

void Fibers::run_due(Fiber::Clock::time_point now) {
  while (!sleepers_.empty() && sleepers_.front().until <= now) {
    std::pop_heap(sleepers_.begin(), sleepers_.end(), std::greater<>());
    One& one = *sleepers_.back().one;
    sleepers_.pop_back();
    run_on(one, [&] { one.resume(); });
  }
}

// What they run meanwhile starts nothing new here.
void Fibers::have_all_look() {
  for (const auto& one : all_) {
    if (one->is_at_rest() || !one->waited().look()) continue;
    const auto sleeper = std::find_if(sleepers_.begin(), sleepers_.end(),
                                      [&](const Sleeper& sleeps) { return sleeps.one == one.get(); });
    if (sleeper != sleepers_.end()) {
      sleepers_.erase(sleeper);
      std::make_heap(sleepers_.begin(), sleepers_.end(), std::greater<>());
    }
    run_on(*one, [&] { one->resume(); });
  }
}

std::chrono::nanoseconds Fibers::patience() {
  return needs_.outlet.has_gathered() ? std::chrono::nanoseconds(0) : patience_of_sender();
}

std::chrono::nanoseconds Fibers::patience_of_sender() {
  using std::chrono::nanoseconds;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (first_ready_ != nullptr) return nanoseconds(0);
  }
  if (sleepers_.empty()) return Socket::patience;
  const nanoseconds left = sleepers_.front().until - Fiber::Clock::now();
  return std::clamp(left, nanoseconds(0), nanoseconds(Socket::patience));
}

void Fibers::ready(Fiber& fiber) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  add_ready(static_cast<One&>(fiber));
  needs_.waiter.wake();  // under the lock: behind it the session may end
}

// Its thread need not be woken: it is here.
void Fibers::ready_here(Fiber& fiber) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  add_ready(static_cast<One&>(fiber));
}

// [under the lock]
void Fibers::add_ready(One& one) {
  one.next_ready = nullptr;
  (last_ready_ != nullptr ? last_ready_->next_ready : first_ready_) = &one;
  last_ready_ = &one;
}

std::int64_t Fibers::transfer(Fiber& fiber, const Transfer& what) noexcept { return blocking_.transfer(fiber, what); }

void Fibers::run_elsewhere(Fiber& fiber, void (*work)(void*) noexcept, void* argument) noexcept {
  blocking_.run(fiber, work, argument);
}

Fibers::One* Fibers::take_ready() {
  const std::lock_guard<std::mutex> lock(mutex_);
  last_ready_ = nullptr;
  return std::exchange(first_ready_, nullptr);
}

void Fibers::drop_those_at_rest() {
  if (at_rest_.empty()) return;
  const auto begin =
      std::stable_partition(all_.begin(), all_.end(), [](const auto& one) { return !one->is_at_rest(); });
  all_.erase(begin, all_.end());
  at_rest_.clear();
}

}  // namespace ashlar::host
