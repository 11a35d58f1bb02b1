#include "fiber/fiber.hpp"

#include <cxxabi.h>

#include <boost/context/preallocated.hpp>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>

namespace ashlar::host {
namespace {

namespace context = boost::context;

// The stack is the pool's.
struct KeepStack {
  void deallocate(context::stack_context&) noexcept {}
};

std::mutex all;  // guards the list of all fibers

}  // namespace

constinit thread_local Fiber* Fiber::on_this_thread = nullptr;
Fiber* Fiber::first = nullptr;

Fiber::Fiber(StackPool& stacks, Stack stack, Scheduler& scheduler)
    : stacks_(stacks), stack_(stack), scheduler_(scheduler) {
  context::stack_context of;
  of.sp = stack_.end();
  of.size = Stack::size;
  line_.make(stack_.begin(), Stack::size);
  here_ = context::fiber(std::allocator_arg, context::preallocated(of.sp, of.size, of), KeepStack{},
                         [this](context::fiber&& back) {
                           back_ = std::move(back);
                           line_.arrived(threads_line_);
                           run_calls();
                           line_.leave_for(threads_line_, true);
                           return std::move(back_);
                         });
  const std::lock_guard<std::mutex> lock(all);
  next_ = first;
  if (first != nullptr) first->previous_ = this;
  first = this;
}

Fiber::~Fiber() {
  {
    const std::lock_guard<std::mutex> lock(all);
    (previous_ != nullptr ? previous_->next_ : first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }
  ends_ = true;
  resume();
  line_.destroy();
  stacks_.give_back(stack_);
}

void Fiber::start(Call& call) {
  call_ = &call;
  resume();
}

void Fiber::resume() {
  auto* const exceptions = reinterpret_cast<Exceptions*>(abi::__cxa_get_globals());
  const Exceptions threads = std::exchange(*exceptions, exceptions_);
  on_this_thread = this;
  threads_line_.be_thread();
  threads_line_.leave_for(line_);
  here_ = std::move(here_).resume();
  threads_line_.arrived(line_);
  on_this_thread = nullptr;
  exceptions_ = std::exchange(*exceptions, threads);
}

// [on it]
void Fiber::run_calls() {
  while (!ends_) {
    if (call_ != nullptr) call_->run_on_fiber();
    call_ = nullptr;
    leave();
  }
}

void Fiber::park(Waited& what, Clock::time_point until) {
  waited_ = &what;
  until_ = until;
  leave();
}

// [on it]
void Fiber::leave() {
  line_.leave_for(threads_line_);
  back_ = std::move(back_).resume();
  line_.arrived(threads_line_);
}

}  // namespace ashlar::host
