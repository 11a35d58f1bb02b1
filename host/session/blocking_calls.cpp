#include "session/blocking_calls.hpp"

#include <sys/uio.h>

#include <cerrno>
#include <utility>

namespace ashlar::host {

// A transfer that the kernel makes.
class BlockingCalls::OnRing final : public Ring::Operation, public Fiber::Waited {
 public:
  OnRing(Resumer& resumer, Fiber& fiber) : resumer_(resumer), fiber_(fiber) {}
  void ended(int result) noexcept override {
    result_ = result;
    resumer_.ready_here(fiber_);
  }
  bool look() noexcept override { return false; }  // nobody cancels it
  int result() const { return result_; }

 private:
  Resumer& resumer_;
  Fiber& fiber_;
  int result_ = 0;
};

// Something that a worker does.
class BlockingCalls::Errand final : public Task, public Fiber::Waited {
 public:
  Errand(BlockingCalls& calls, Fiber& fiber, void (*work)(void*) noexcept, void* argument)
      : calls_(calls), fiber_(fiber), work_(work), argument_(argument) {}
  // This one, then those that wait for its place.
  void run() noexcept override {
    BlockingCalls& calls = calls_;
    for (Errand* one = this; one != nullptr;) {
      one->work_(one->argument_);
      Fiber& done = one->fiber_;
      one = calls.next();
      done.ready();  // with that the errand may be gone, and the session where there is no next one
    }
  }
  bool look() noexcept override { return false; }

 private:
  friend class BlockingCalls;
  BlockingCalls& calls_;
  Fiber& fiber_;
  void (*const work_)(void*) noexcept;
  void* const argument_;
  Errand* waiting_ = nullptr;
};

std::int64_t BlockingCalls::transfer(Fiber& fiber, const Transfer& what) noexcept {
  if (ring_ != nullptr && ring_->can_begin()) {
    OnRing operation(resumer_, fiber);
    ring_->begin(operation, what);
    fiber.park(operation);
    // The ring has errors of its own: it could not make a thread, or a descriptor does not do without waiting.
    const bool of_ring = operation.result() == -ECANCELED || operation.result() == -EAGAIN;
    if (!of_ring || (what.flags & RWF_NOWAIT) != 0) return operation.result();
  }
  std::int64_t result = 0;
  const auto make = [&] { result = host::transfer(what); };
  using Make = decltype(make);
  run(
      fiber, [](void* it) noexcept { (*static_cast<Make*>(it))(); },
      const_cast<void*>(static_cast<const void*>(&make)));
  return result;
}

// When all workers are taken and none of them is this session's, it is done here: nobody's blocking calls can stop this
// client for good.
void BlockingCalls::run(Fiber& fiber, void (*work)(void*) noexcept, void* argument) noexcept {
  Errand errand(*this, fiber, work, argument);
  if (start(errand)) return fiber.park(errand);
  const Fiber::Off off;  // it may hold mutexes, which nothing may be put aside with
  work(argument);
}

// False: nothing happened.
bool BlockingCalls::start(Errand& errand) noexcept {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!workers_.take()) {
      if (places_ == 0) return false;
      (last_waiting_ != nullptr ? last_waiting_->waiting_ : first_waiting_) = &errand;
      last_waiting_ = &errand;
      workers_.waits();
      return true;
    }
    ++places_;
  }
  bool began = false;
  try {
    began = executor_.try_submit(errand);
  } catch (...) {  // no memory for a thread
  }
  if (began) return true;
  // There is no thread to be had. Only this thread adds errands, so none can have begun to wait for the place.
  const std::lock_guard<std::mutex> lock(mutex_);
  --places_;
  workers_.give_back();
  return false;
}

// The next errand for who has finished one; null: none, and his place is no longer this session's.
BlockingCalls::Errand* BlockingCalls::next() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (first_waiting_ == nullptr) {
    --places_;
    workers_.give_back();
    return nullptr;
  }
  Errand* const errand = std::exchange(first_waiting_, first_waiting_->waiting_);
  if (first_waiting_ == nullptr) last_waiting_ = nullptr;
  workers_.waited();
  return errand;
}

}  // namespace ashlar::host
