// Requests: what librbd has been asked and has not answered yet. Who waits for an answer gives up after a time, or when
// nobody wants it any more; what librbd still uses then stays until it has answered, which it may do much later.
#pragma once
#include <ashlar/host.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>
#include <condition_variable>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include "buffers.hpp"
#include "worker.hpp"

class Requests {
 public:
  using Clock = std::chrono::steady_clock;

  // `on_slow`: called by a thread of its own now and then while requests wait for longer than they should; must not
  // throw.
  Requests(const ashlar::Host& host, Clock::duration timeout, std::function<void()> on_slow);
  // librbd has answered all.
  ~Requests();
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // One of them. It has its memory.
  class Request;
  // What has come of one: librbd's answer, or -ETIMEDOUT, -ECANCELED or -ENOMEM in its place.
  struct Answer {
    std::int64_t result = 0;
    std::shared_ptr<Request> request;
    const std::byte* data() const;
  };

  // Has `start` ask librbd, which is to answer by calling `completed` with the pointer: an int(void* request,
  // std::byte* memory) that returns 0, or a negative errno number when there will be no answer. It is called before
  // ask() returns, the answer may come later. Waits by ashlar.wait. `of`: for give_up(). [data]
  template <class Start>
  Answer ask(const void* of, std::size_t bytes, Start start) noexcept {
    return ask_by(
        of, bytes,
        [](void* how, void* request, std::byte* memory) { return (*static_cast<Start*>(how))(request, memory); },
        &start);
  }
  // Waits before librbd, which has answered -EROFS as another keeps the lock, is asked again. 0: it may be; -EROFS: the
  // timeout has passed `since`; -ECANCELED: nobody wants the answer any more. It is over only with an answer: librbd
  // has the whole timeout each time, and does nothing later of what was refused. [data]
  int sleep_before_asking_again(Clock::time_point since) const noexcept;
  // Those of `of` come to -EIO now. [any thread]
  void give_up(const void* of) noexcept;
  // librbd's answer. [any thread]
  static void completed(void* request, std::int64_t result) noexcept;

  // Has the worker call `f`, which may block and owns all that it uses, and returns what it does. Throws what `f`
  // throws, and std::system_error when it was given up: ETIMEDOUT, ECANCELED. [data, control]
  template <class F>
  std::invoke_result_t<F&> call(F f) {
    struct Outcome {
      std::optional<std::invoke_result_t<F&>> value;
      std::exception_ptr error;
    };
    const auto outcome = std::make_shared<Outcome>();
    run([outcome, f = std::move(f)]() mutable noexcept {
      try {
        outcome->value.emplace(f());
      } catch (...) {
        outcome->error = std::current_exception();
      }
    });
    if (outcome->error) std::rethrow_exception(outcome->error);
    return std::move(*outcome->value);
  }
  // Has the worker call `f`, whatever comes; nobody waits. [any thread]
  void post(std::function<void()> f) { worker_.post(std::move(f)); }
  // Returns when the worker has done all that it was given.
  void finish() { worker_.finish(); }
  // No request will come. The host is not called any more once this has returned.
  void end_watch() noexcept;
  // When the worker has begun with what it does, or has done last. [any thread]
  Clock::time_point last_job_begun() const { return worker_.last_begun(); }

 private:
  using StartBy = int (*)(void* how, void* request, std::byte* memory);
  Answer ask_by(const void* of, std::size_t bytes, StartBy start, void* how) noexcept;
  Answer wait_for(const std::shared_ptr<Request>& request);
  void run(std::function<void()> job);
  std::shared_ptr<Request> begin(const void* of, std::size_t bytes);
  bool end(Request& request, std::int64_t result) noexcept;
  void have_watched();
  void watch() noexcept;
  void wait_for_oldest(std::unique_lock<std::mutex>& lock);

  const ashlar::Host host_;
  const ashlar::Wait wait_;
  const ashlar::Counter timeouts_;
  const Clock::duration timeout_, slow_;
  const std::function<void()> on_slow_;
  Buffers buffers_;

  std::mutex mutex_;                                // of what follows, and of what requests say of themselves
  std::condition_variable changed_;                 // for watcher_
  std::list<std::shared_ptr<Request>> waited_for_;  // in the order of their coming
  bool ends_ = false;
  bool rests_ = false;    // watcher_ has seen none
  bool watches_ = false;  // watcher_ has not ended, and will look again
  std::thread watcher_;   // gives up those that take too long; ends when there have been none for a while

  Worker worker_;  // last: what it still runs needs the rest
};
