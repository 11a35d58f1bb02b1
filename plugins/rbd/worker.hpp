// Worker: a thread for calls of librbd that block, one after the other.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

class Worker {
 public:
  Worker() = default;
  ~Worker() { finish(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Runs `job`, which must not throw, behind those that were posted before. Throws std::bad_alloc, std::system_error.
  // [any thread]
  void post(std::function<void()> job);
  // Runs what is left, and joins.
  void finish();
  // When it has begun with the job that runs, or with the last one. [any thread]
  std::chrono::steady_clock::time_point last_begun() const;

 private:
  void run() noexcept;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::chrono::steady_clock::time_point last_begun_{};
  bool ends_ = false;
  bool runs_ = false;   // thread_ has not ended, and will look for jobs again
  std::thread thread_;  // begins with a job, and ends when there has been none for a while
};
