#include "pool.hpp"

#include <algorithm>

namespace ashlar::frames {

Pool::Pool() {
  const unsigned processors = std::clamp(std::thread::hardware_concurrency(), 1u, 16u);
  try {
    for (unsigned i = 0; i != processors; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;  // fewer will do
  }
}

Pool::~Pool() {
  {
    const std::lock_guard lock(mutex_);
    stops_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(std::function<void()> job, bool soon) {
  {
    const std::lock_guard lock(mutex_);
    (soon ? soon_ : later_).push_back(std::move(job));
  }
  changed_.notify_one();
}

void Pool::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stops_ || !soon_.empty() || !later_.empty(); });
    if (stops_) return;
    auto& jobs = soon_.empty() ? later_ : soon_;
    const auto job = std::move(jobs.front());
    jobs.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace ashlar::frames
