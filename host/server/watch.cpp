#include "server/watch.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cerrno>
#include <system_error>

#include "server/handler_memory.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;

// Takes note of what an eventfd or timerfd tells, so that it is readable no more.
void read_number(int fd) {
  std::uint64_t number;
  while (::read(fd, &number, sizeof number) < 0 && errno == EINTR) continue;
}

}  // namespace

struct Watch::State {
  State(asio::io_context& io, int fd, std::function<void()> call)
      : descriptor(io.get_executor(), fd), readable(std::move(call)) {}

  // With the io_context's own executor, which is small enough to need no memory of its own.
  asio::posix::basic_stream_descriptor<asio::io_context::executor_type> descriptor;
  std::function<void()> readable;
  std::shared_ptr<HandlerMemory> memory = std::make_shared<HandlerMemory>();
};

Watch::Watch(asio::io_context& io, int fd, const char* what, std::function<void()> readable) {
  if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
  state_ = std::make_shared<State>(io, fd, std::move(readable));
  wait(state_);
}

Watch::~Watch() {
  boost::system::error_code ignored;
  state_->descriptor.close(ignored);
}

int Watch::fd() const { return state_->descriptor.native_handle(); }

void Watch::wait(const std::shared_ptr<State>& state) {
  state->descriptor.async_wait(asio::posix::descriptor_base::wait_read,
                               HandlerIn(state->memory, [state](const boost::system::error_code& error) {
                                 if (error || !state->descriptor.is_open()) return;
                                 state->readable();
                                 if (state->descriptor.is_open()) wait(state);
                               }));
}

Timer::Timer(asio::io_context& io, std::function<void()> due)
    : watch_(io, ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create",
             [this, call = std::move(due)] {
               read_number(watch_.fd());
               call();
             }) {}

void Timer::set(Clock::time_point when) {
  using std::chrono::nanoseconds;
  // A time that has passed is due at once; 0 would mean never.
  const auto left = std::max<nanoseconds>(nanoseconds(1), when - Clock::now());
  itimerspec spec{};
  spec.it_value.tv_sec = left.count() / 1'000'000'000;
  spec.it_value.tv_nsec = left.count() % 1'000'000'000;
  ::timerfd_settime(watch_.fd(), 0, &spec, nullptr);
}

Wakeup::Wakeup(asio::io_context& io, std::function<void()> woken)
    : watch_(io, ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd", [this, call = std::move(woken)] {
        read_number(watch_.fd());
        call();
      }) {}

void Wakeup::ring() noexcept {
  const std::uint64_t one = 1;
  while (::write(watch_.fd(), &one, sizeof one) < 0 && errno == EINTR) continue;
}

}  // namespace ashlar::host
