// ColdReads: reads whose bytes a layer lent but that are still on the disk. They go to the kernel together through
// io_uring, run there in parallel, and cost no thread each; replies of reads that end together go out together.
// (io_uring(7))
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "session/buffer.hpp"
#include "session/ledger.hpp"
#include "session/outlet.hpp"
#include "session/request_runner.hpp"

struct io_uring;
struct io_uring_sqe;

namespace ashlar::host {

class ColdReads {
 public:
  static constexpr unsigned most_under_way = 128;

  // All members are for one thread only: the kernel wants it so. `no_io_uring` is set where the system does not allow
  // io_uring, so that nobody tries again.
  ColdReads(Socket& socket, RequestRunner& runner, Outlet& outlet, MemoryUse& memory, Ledger& ledger,
            std::atomic<bool>& no_io_uring);
  ~ColdReads();  // waits for the reads that are under way, and drops them
  ColdReads(const ColdReads&) = delete;
  ColdReads& operator=(const ColdReads&) = delete;

  // Takes a read of bytes that are in `fd` at `offset`; submitted by wait(). False: it cannot be taken now, or never,
  // as where the system forbids io_uring: then it is for a worker.
  bool start(const Asked& asked, int fd, std::uint64_t offset);
  bool any() const { return under_way_ != 0; }
  bool full() const { return under_way_ == most_under_way; }

  using Watch = Waiter::Watch;
  // Waits until a read is done, or what is watched, or `event`, an eventfd(2) (-1: none), or `patience` is over. Sends
  // the replies of reads that are done; adds those that were not read whole to undone(). Returns whether there may be
  // input: there is, or the client has just got replies.
  bool wait(Watch watch, int event, std::chrono::nanoseconds patience = Socket::patience);

  // Reads that were not read whole: a worker has to repeat them, which finds the right reply.
  std::vector<Asked>& undone() { return undone_; }

  // Gives back the buffers that are kept for the next reads.
  void give_kept_back();

 private:
  struct Read;
  struct Closer {
    void operator()(io_uring* ring) const;
  };
  bool open_ring();
  bool watch(int descriptor, unsigned events, void* mark);
  void reap(bool& input);
  void reap_what_follows(bool& input);
  void send_done();
  void end(Read* read);
  void drop(const Asked& asked);

  Socket& socket_;
  RequestRunner& runner_;
  Outlet& outlet_;
  MemoryUse& memory_;
  Ledger& ledger_;
  std::atomic<bool>& no_io_uring_;
  std::unique_ptr<io_uring, Closer> ring_;
  bool client_watched_ = false;
  bool event_watched_ = false;
  unsigned under_way_ = 0;
  std::chrono::steady_clock::time_point progress_;  // when the last read ended, or the first began
  std::vector<std::unique_ptr<Read>> all_;
  std::vector<Read*> free_;
  std::vector<Read*> done_;  // read whole, not yet sent
  std::vector<iovec> parts_;
  std::vector<Asked> undone_;
};

}  // namespace ashlar::host
