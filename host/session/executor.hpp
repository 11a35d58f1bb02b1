// Executor: threads for what blocks, as many as there is something to run. See Workers for how many of them run
// requests.
#pragma once
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

namespace ashlar::host {

// Something to run once on a thread of the executor. Owned by whoever submits it, until run() is entered.
class Task {
 public:
  virtual void run() noexcept = 0;
  Task* next_task = nullptr;  // the executor's

 protected:
  ~Task() = default;
};

class Executor {
 public:
  Executor() = default;
  // Waits for every task to end.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs `task` on a thread that waits for work, or on a new one. When no thread can be made, the task waits until one
  // of those that there are has time for it. Throws std::system_error when there is none at all. [any thread]
  void submit(Task& task);
  // As submit(), but false when the task would have to wait or there is no thread at all: for who could wait for each
  // other otherwise. [any thread]
  bool try_submit(Task& task);

 private:
  enum class NoThread : bool { waits, refuse };
  bool submit(Task& task, NoThread policy);
  bool add_thread();
  void serve_tasks(std::list<std::thread>::iterator self);

  std::mutex mutex_;
  std::condition_variable work_;
  Task* first_ = nullptr;  // queue, oldest first
  Task* last_ = nullptr;
  unsigned queued_ = 0;
  unsigned idle_ = 0;
  bool stopping_ = false;
  std::list<std::thread> threads_;
  std::list<std::thread> ended_;  // to be joined
};

}  // namespace ashlar::host
