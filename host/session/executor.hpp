// Executor: threads for what blocks. Sessions always get one; requests get one while the limit of workers allows.
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
  explicit Executor(unsigned max_workers) : free_workers_(static_cast<int>(max_workers)) {}
  // Waits for every task to end.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Runs `task` on a thread that waits for work, or on a new one. Throws std::system_error or std::bad_alloc when no thread can be
  // made. [any thread]
  void submit(Task& task);

  // Takes one of the workers' places; false: all are taken. Whoever took it gives it back. [any thread]
  bool take_worker();
  void give_worker_back();
  // Takes a place that was given back for a while, even if that makes one too many. [any thread]
  void retake_worker();

 private:
  void serve_tasks(std::list<std::thread>::iterator self);

  std::mutex mutex_;
  std::condition_variable work_;
  Task* first_ = nullptr;  // queue, oldest first
  Task* last_ = nullptr;
  unsigned queued_ = 0;
  unsigned idle_ = 0;
  int free_workers_;  // below 0 while some were retaken beyond the limit
  bool stopping_ = false;
  std::list<std::thread> threads_;
  std::list<std::thread> ended_;  // to be joined
};

}  // namespace ashlar::host
