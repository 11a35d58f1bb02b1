#include "worker.hpp"

#include <utility>

namespace {

constexpr std::chrono::seconds rest{1};

}  // namespace

void Worker::finish() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::chrono::steady_clock::time_point Worker::last_begun() const {
  const std::lock_guard lock(mutex_);
  return last_begun_;
}

void Worker::post(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  jobs_.push_back(std::move(job));
  try {
    if (!runs_) {
      if (thread_.joinable()) thread_.join();  // it has nothing left to do
      thread_ = std::thread([this] { run(); });
      runs_ = true;
    }
  } catch (...) {
    jobs_.pop_back();
    throw;
  }
  changed_.notify_one();
}

void Worker::run() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait_for(lock, rest, [this] { return ends_ || !jobs_.empty(); });
    if (jobs_.empty()) {
      runs_ = false;
      return;
    }
    {
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      last_begun_ = std::chrono::steady_clock::now();
      lock.unlock();
      job();
    }
    lock.lock();
  }
}
