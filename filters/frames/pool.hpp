// Pool: a few threads that unpack.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ashlar::frames {

class Pool {
 public:
  // One thread for each processor. Throws std::system_error.
  Pool();
  // What has not been begun is left out.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  std::size_t threads() const { return threads_.size(); }
  // Has one of them call `job`, which must not throw, in the order of coming; `soon`: before the others. Throws
  // std::bad_alloc. [any thread]
  void run(std::function<void()> job, bool soon);

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> soon_, later_;
  bool stops_ = false;
  std::vector<std::thread> threads_;  // last
};

}  // namespace ashlar::frames
