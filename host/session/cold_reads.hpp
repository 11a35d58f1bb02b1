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

  // All members: [the session's thread]
  ColdReads(Ring& ring, RequestRunner& runner, Outlet& outlet, MemoryUse& memory, Ledger& ledger);
  ~ColdReads();  // waits for the reads that are under way, and drops them
  ColdReads(const ColdReads&) = delete;
  ColdReads& operator=(const ColdReads&) = delete;

  // Takes a read of bytes that are in `fd` at `offset`, over the ring. False: it cannot be taken now, or never, as
  // where the system forbids io_uring: then it is for Jobs.
  bool start(const Asked& asked, int fd, std::uint64_t offset);
  // Whether a read is under way, or its reply has not been sent.
  bool any() const { return is_under_way() || has_done(); }
  bool is_under_way() const { return under_way_ != 0; }
  bool full() const { return under_way_ == most_under_way; }
  // While one is under way: the note of a thread that waits for it, so that a server which cannot stop can name the
  // layer whose bytes do not come.
  Inside note_of_wait() const { return runner_.waiting_for_lent(progress_); }

  // Whether some were read whole, and their replies have not been sent.
  bool has_done() const { return !done_.empty(); }
  // Sends those replies. Returns whether there were any.
  bool send_done();
  // Reads that were not read whole: Jobs has to repeat them, which finds the right reply.
  std::vector<Asked>& undone() { return undone_; }

  // Gives back the buffers that are kept for the next reads.
  void give_kept_back();

 private:
  class Read;
  void ended(Read& read, int result);
  void send();
  void put_back(Read* read);
  void drop(const Asked& asked);

  Ring& ring_;
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
