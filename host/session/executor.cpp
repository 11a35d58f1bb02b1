#include "session/executor.hpp"

#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

namespace ashlar::host {
namespace {
constexpr std::chrono::seconds idle_time{5};  // a thread that found nothing to do for so long ends
}

Executor::~Executor() {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    stopping_ = true;
    work_.notify_all();
  }
  for (;;) {  // a thread moves itself from threads_ to ended_
    std::list<std::thread> ended;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      work_.wait(lock, [&] { return !ended_.empty() || threads_.empty(); });
      ended.swap(ended_);
      if (ended.empty()) return;
    }
    for (std::thread& thread : ended) thread.join();
  }
}

void Executor::submit(Task& task) { submit(task, NoThread::waits); }

bool Executor::try_submit(Task& task) { return submit(task, NoThread::refuse); }

bool Executor::add_thread() {
  try {
    threads_.emplace_front();
  } catch (const std::bad_alloc&) {
    return false;
  }
  try {
    threads_.front() = std::thread(&Executor::serve_tasks, this, threads_.begin());
    return true;
  } catch (const std::exception&) {
    threads_.pop_front();
    return false;
  }
}

bool Executor::submit(Task& task, NoThread policy) {
  std::list<std::thread> ended;
  bool taken = true, wake = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (idle_ <= queued_ && !add_thread()) {
      taken = policy == NoThread::waits;
      if (taken && threads_.empty()) throw std::system_error(EAGAIN, std::generic_category(), "no thread can be made");
    }
    if (taken) {
      task.next_task = nullptr;
      (last_ != nullptr ? last_->next_task : first_) = &task;
      last_ = &task;
      ++queued_;
      wake = idle_ != 0;
    }
    ended.swap(ended_);
  }
  if (wake) work_.notify_one();                     // not under the lock, which the woken thread takes first
  for (std::thread& thread : ended) thread.join();  // at once: they have left serve_tasks
  return taken;
}

void Executor::serve_tasks(std::list<std::thread>::iterator self) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    while (first_ != nullptr) {
      Task* task = std::exchange(first_, first_->next_task);
      if (first_ == nullptr) last_ = nullptr;
      --queued_;
      lock.unlock();
      task->run();
      lock.lock();
    }
    if (stopping_) break;
    ++idle_;
    const bool woken = work_.wait_for(lock, idle_time, [&] { return first_ != nullptr || stopping_; });
    --idle_;
    if (!woken) break;
  }
  // Whoever ended before is joined here, so that at most one that has ended keeps its stack.
  std::list<std::thread> ended;
  ended.swap(ended_);
  ended_.splice(ended_.end(), threads_, self);
  if (stopping_) work_.notify_all();
  lock.unlock();
  for (std::thread& thread : ended) thread.join();
}

}  // namespace ashlar::host
