// Jobs: the requests of one connection that would have blocked the session's thread: they run on workers, or, where no
// layer blocks its thread, on fibers of that one. Bounded in number, in bytes and in how many run at once.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "session/executor.hpp"
#include "session/fibers.hpp"
#include "session/ledger.hpp"
#include "session/outlet.hpp"
#include "session/request_runner.hpp"
#include "session/waiter.hpp"
#include "session/workers.hpp"

namespace ashlar::host {

class Jobs {
 public:
  // Of a connection whose export does not say how many it gains from. Never fewer are let through.
  static constexpr unsigned usual_under_way = 128;
  static constexpr std::size_t most_bytes = 64u << 20;  // of replies and payloads; a single larger job is let through

  // What jobs need of their session and of the server.
  struct Needs {
    RequestRunner& runner;
    Outlet& outlet;
    MemoryUse& memory;
    Waiter& waiter;
    Ledger& ledger;
    Executor& executor;
    Workers& workers;
    Fibers* fibers;  // null: a layer may block its thread, or the export is serial
    const std::atomic<bool>& stopping;
  };
  // `width`: how many run at once.
  Jobs(const Needs& needs, unsigned width);
  ~Jobs();  // waits until nothing is under way
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // Hands a request to a worker or a fiber; `payload` keeps what asked.payload points to. The reply goes to the outlet
  // when it is ready. False: nothing happened, for there is no room, no memory or no thread to be had, or no place and
  // no job of this connection runs, behind which it could wait. [the session's thread]
  bool try_start(const Asked& asked, Pin& payload);
  // As try_start, but waits, or runs the request on the calling thread when other connections have all workers or no
  // thread is to be had, so that nobody's blocking requests can stop this client for good. False: there was no memory
  // to be had, because the server stops or the client has gone. Only reads and extents need memory, so a large buffer
  // that holds a payload may be in hand. [the session's thread]
  bool start(const Asked& asked, Pin& payload);

  // Gives back the buffers that are kept for the next requests. [the session's thread]
  void give_kept_back();

  // Whether nothing is under way. [the session's thread]
  bool idle();
  // Waits until nothing is under way. [the session's thread]
  void drain();

 private:
  class Job;
  enum class On : std::uint8_t { session, worker, fiber };  // the line of calls that runs a job
  enum class Here : bool { no, allowed };
  static bool brings_data(const Asked& asked);
  std::size_t bytes_of(const Asked& asked) const;
  std::shared_ptr<Buffer> kept(std::size_t bytes);
  bool has_room(std::size_t bytes);
  void have_free_job();
  // [the session's thread]
  void take_back(Job& job, Pin& payload);
  bool launch(const Asked& asked, Pin& payload, std::shared_ptr<Buffer> answer, Here here);
  std::optional<On> take_place();
  Job* next(On on);     // [who has run a job]
  void done(Job& job);  // [who sends its reply]

  const Needs needs_;
  const unsigned width_;
  const unsigned most_under_way_;

  std::mutex mutex_;
  unsigned under_way_ = 0;
  std::size_t bytes_ = 0;
  unsigned active_ = 0;  // threads and fibers that run jobs of this connection
  std::vector<std::unique_ptr<Job>> all_;
  std::vector<Job*> free_;
  Job* first_waiting_ = nullptr;  // for one of `active_` to come free
  Job* last_waiting_ = nullptr;
  std::vector<std::shared_ptr<Buffer>> kept_;  // small ones, of replies that were sent
};

}  // namespace ashlar::host
