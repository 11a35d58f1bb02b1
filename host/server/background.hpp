// Work that may block, done for the io_context's thread by a thread of the executor.
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <utility>

#include "session/executor.hpp"

namespace ashlar::host {

// Has a thread of `executor` call `work`, and then the io_context's thread `then` with what it has returned, unless the
// io_context has been stopped. Neither throws. Throws std::system_error when no thread can be had.
template <class Work, class Then>
void in_background(boost::asio::io_context& io, Executor& executor, Work work, Then then) {
  class Background final : public Task {
   public:
    Background(boost::asio::io_context& to, Work what, Then after)
        : io_(to), work_(std::move(what)), then_(std::move(after)) {}
    void run() noexcept override {
      const std::unique_ptr<Background> self(this);
      boost::asio::post(io_, [then = std::move(then_), result = work_()]() mutable { then(std::move(result)); });
    }

   private:
    boost::asio::io_context& io_;
    Work work_;
    Then then_;
  };
  auto task = std::make_unique<Background>(io, std::move(work), std::move(then));
  executor.submit(*task);
  static_cast<void>(task.release());  // it deletes itself when it has run
}

}  // namespace ashlar::host
