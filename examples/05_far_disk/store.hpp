// Store: stands for a library that talks to a storage far away. It takes jobs, answers each after a while, and calls
// back from a thread of its own. (The bytes are in a file, and a clock stands for the distance.)
#pragma once
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

class Store {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Order { arrival, offset };  // which of the jobs that have come a long way is done first
  struct Job {
    enum Kind { read, write, sync } kind;
    std::uint64_t offset = 0;
    std::byte* data = nullptr;  // used until done() is called
    std::size_t length = 0;
    bool durable = false;                                        // write: answer when it is on the disk
    void (*done)(void* argument, int error) noexcept = nullptr;  // called once
    void* argument = nullptr;
  };
  static constexpr std::size_t capacity = 64;  // jobs at once

  // Throws std::system_error when the file cannot be opened.
  Store(const std::string& path, Clock::duration latency, Order order)
      : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)), latency_(latency), order_(order) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "cannot open " + path);
    struct stat status;
    if (::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) size_ = static_cast<std::uint64_t>(status.st_size);
    jobs_.reserve(capacity);
    try {
      thread_ = std::thread([this] { run(); });
    } catch (...) {
      ::close(fd_);
      throw;
    }
  }
  // No job may be under way.
  ~Store() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_one();
    thread_.join();
    ::close(fd_);
  }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  std::uint64_t size() const { return size_; }

  // Takes a job, or answers EBUSY at once when there are too many.
  void submit(const Job& job) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.size() < capacity) {
        jobs_.push_back({job, Clock::now() + latency_, false});
        changed_.notify_one();
        return;
      }
    }
    job.done(job.argument, EBUSY);
  }
  // Has the job of this argument answered soon, with ECANCELED, if it has not been begun. Does not wait.
  void cancel(const void* argument) noexcept {
    const std::lock_guard lock(mutex_);
    for (Waiting& one : jobs_)
      if (one.job.argument == argument) one.cancelled = true;
    changed_.notify_one();
  }

 private:
  struct Waiting {
    Job job;
    Clock::time_point due;
    bool cancelled;
    bool ready() const { return cancelled || due <= Clock::now(); }
  };

  void run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      const auto next = next_ready();
      if (next == jobs_.end()) {
        wait(lock);
        continue;
      }
      const Waiting one = *next;
      jobs_.erase(next);
      lock.unlock();  // others may submit and cancel meanwhile
      one.job.done(one.job.argument, one.cancelled ? ECANCELED : carry_out(one.job));
      lock.lock();
    }
  }
  // Until there may be something to do.
  void wait(std::unique_lock<std::mutex>& lock) {
    if (jobs_.empty()) return changed_.wait(lock);
    const auto earlier = [](const Waiting& a, const Waiting& b) { return a.due < b.due; };
    const Clock::time_point due = std::min_element(jobs_.begin(), jobs_.end(), earlier)->due;
    changed_.wait_until(lock, due);
  }
  std::vector<Waiting>::iterator next_ready() {
    auto best = jobs_.end();
    for (auto it = jobs_.begin(); it != jobs_.end(); ++it)
      if (it->ready() && (best == jobs_.end() || (order_ == Order::offset && it->job.offset < best->job.offset)))
        best = it;
    return best;
  }

  int carry_out(const Job& job) {
    for (std::size_t done = 0; done < job.length;) {
      const auto at = static_cast<off_t>(job.offset + done);
      const ssize_t n = job.kind == Job::read ? ::pread(fd_, job.data + done, job.length - done, at)
                                              : ::pwrite(fd_, job.data + done, job.length - done, at);
      if (n < 0 && errno != EINTR) return errno;
      if (n == 0) return EIO;  // the file has become shorter
      if (n > 0) done += static_cast<std::size_t>(n);
    }
    return job.kind == Job::sync || job.durable ? make_durable() : 0;
  }
  // The kernel tells once of a write that it has lost. From then on nobody can say what is on the disk.
  int make_durable() {
    if (lost_ == 0 && ::fdatasync(fd_) != 0) lost_ = errno;
    return lost_;
  }

  const int fd_;
  const Clock::duration latency_;
  const Order order_;
  std::uint64_t size_ = 0;
  int lost_ = 0;  // the thread's own
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stop_ = false;
  std::vector<Waiting> jobs_;  // in the order they came
  std::thread thread_;
};
