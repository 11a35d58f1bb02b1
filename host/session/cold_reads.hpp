// ColdReads: reads whose bytes a layer lent but that are still on the disk. They go to the kernel over the session's
// ring, run there in parallel, and cost no thread each; replies of reads that end together go out together.
#pragma once
#include <chrono>
#include <memory>
#include <vector>

#include "session/buffer.hpp"
#include "session/ledger.hpp"
#include "session/outlet.hpp"
#include "session/request_runner.hpp"
#include "session/ring.hpp"

namespace ashlar::host {

class ColdReads {
 public:
  static constexpr unsigned most_under_way = 128;

  // All members are for the ring's thread.
  ColdReads(Ring& ring, Socket& socket, RequestRunner& runner, Outlet& outlet, MemoryUse& memory, Ledger& ledger);
  ~ColdReads();  // waits for the reads that are under way, and drops them
  ColdReads(const ColdReads&) = delete;
  ColdReads& operator=(const ColdReads&) = delete;

  // Takes a read of bytes that are in `fd` at `offset`; submitted by the ring's next wait. False: it cannot be taken
  // now, or never, as where the system forbids io_uring: then it is for a worker.
  bool start(const Asked& asked, int fd, std::uint64_t offset);
  // Whether a read is under way, or its reply has not been sent.
  bool any() const { return under_way_ != 0 || !done_.empty(); }
  bool full() const { return under_way_ == most_under_way; }

  using Watch = Waiter::Watch;
  // Waits until something has ended on the ring, or what is watched, or `event`, an eventfd(2) (-1: none), or
  // `patience` is over. Sends the replies of reads that are done; adds those that were not read whole to undone().
  // Returns whether there may be input: there is, or the client has just got replies.
  bool wait(Watch watch, int event, std::chrono::nanoseconds patience = Socket::patience);
  // Submits what was begun on the ring, and sends the replies of reads that are done by now.
  void look();
  // For who is sending: reaps what has ended on the ring. Replies of reads wait until nobody is.
  void reap_all();
  // Likewise, behind a wait until the client takes more, something has ended, `event`, or `patience` is over.
  void wait_for_room(int event, std::chrono::nanoseconds patience);

  // Reads that were not read whole: a worker has to repeat them, which finds the right reply.
  std::vector<Asked>& undone() { return undone_; }

  // Gives back the buffers that are kept for the next reads.
  void give_kept_back();

 private:
  class Read;
  void wait_on_ring(Ring::Watched watched, std::chrono::nanoseconds patience);
  void ended(Read& read, int result);
  void reap(std::uint64_t before, bool& input);
  void reap_what_follows(std::uint64_t before, bool& input);
  void send_done();
  void send();
  void end(Read* read);
  void drop(const Asked& asked);

  Ring& ring_;
  Socket& socket_;
  RequestRunner& runner_;
  Outlet& outlet_;
  MemoryUse& memory_;
  Ledger& ledger_;
  unsigned under_way_ = 0;
  std::chrono::steady_clock::time_point progress_;  // when the last read ended, or the first began
  std::vector<std::unique_ptr<Read>> all_;
  std::vector<Read*> free_;
  std::vector<Read*> done_;  // read whole, not yet sent; grows while others are sent
  std::vector<Read*> sending_;
  std::vector<iovec> parts_;
  std::vector<Asked> undone_;
};

}  // namespace ashlar::host
