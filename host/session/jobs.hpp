// Jobs: the requests of one connection that run on workers, because they would have blocked the session's thread. Bounded in
// number, in bytes and in workers used at once.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "session/buffer.hpp"
#include "session/executor.hpp"
#include "session/outlet.hpp"
#include "session/request_runner.hpp"

namespace ashlar::host {

class Jobs {
 public:
  static constexpr unsigned most_under_way = 128;
  static constexpr std::size_t most_bytes = 64u << 20;  // of replies and payloads; a single larger job is let through

  // `width`: workers used at once.
  Jobs(RequestRunner& runner, Outlet& outlet, BufferPool& pool, Executor& executor, unsigned width);
  ~Jobs();  // waits until nothing is under way
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // Hands a request to a worker; `payload` keeps what asked.payload points to. The reply goes to the outlet when it is ready.
  // False: it would have to wait; nothing happened. [the session's thread]
  bool try_start(const Asked& asked, Pin& payload);
  // As try_start, but waits, or runs the request on the calling thread when all workers are taken, so that nobody's blocking
  // requests can stop this client for good. Call it with no large buffer in hand. [the session's thread]
  void start(const Asked& asked, Pin& payload);

  // Whether nothing is under way. [the session's thread]
  bool idle();
  // Waits until nothing is under way. [the session's thread]
  void drain();

 private:
  class Job;
  bool has_room(std::size_t bytes) const;
  bool launch(const Asked& asked, Pin& payload, std::shared_ptr<Buffer> answer, bool here);
  Job* next(bool has_place);
  void done(Job& job);

  RequestRunner& runner_;
  Outlet& outlet_;
  BufferPool& pool_;
  Executor& executor_;
  const unsigned width_;

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned under_way_ = 0;
  std::size_t bytes_ = 0;
  unsigned active_ = 0;  // threads that run jobs of this connection
  std::vector<std::unique_ptr<Job>> all_;
  std::vector<Job*> free_;
  Job* first_waiting_ = nullptr;  // for a thread of this connection to come free
  Job* last_waiting_ = nullptr;
};

}  // namespace ashlar::host
