// Work that may block, done for the io thread by a thread of the executor.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "server/handler_memory.hpp"
#include "session/executor.hpp"

namespace ashlar::host {

// Has a thread of `executor` call `work`, and then the io thread `then` with what it has returned, unless the
// io_context has been stopped. `work` is gone by then; it does not throw. Throws std::system_error when no thread can
// be had, std::bad_alloc. Afterwards no memory is needed.
template <class Work, class Then>
void in_background(boost::asio::io_context& io, Executor& executor, Work work, Then then) {
  class Background final : public Task {
   public:
    Background(boost::asio::io_context& to, Work what, Then after)
        : io_(to), work_(std::move(what)), then_(std::move(after)) {}
    void run() noexcept override {
      result_.emplace((*work_)());
      work_.reset();  // what it holds may be such as the io thread must not let go of
      boost::asio::post(io_, HandlerIn(std::move(memory_), [self = std::unique_ptr<Background>(this)] {
                          self->then_(std::move(*self->result_));
                        }));
    }

   private:
    boost::asio::io_context& io_;
    std::optional<Work> work_;
    Then then_;
    std::optional<std::invoke_result_t<Work&>> result_;
    std::shared_ptr<HandlerMemory> memory_ = std::make_shared<HandlerMemory>();
  };
  auto task = std::make_unique<Background>(io, std::move(work), std::move(then));
  executor.submit(*task);
  static_cast<void>(task.release());  // it deletes itself when it has run
}

}  // namespace ashlar::host
