// ColdReads: reads whose bytes a layer lent but that are still on the disk. They go to the kernel together through io_uring, run
// there in parallel, and cost no thread each; replies of reads that end together go out together. (io_uring(7))
#pragma once
#include <memory>
#include <vector>

#include "session/buffer.hpp"
#include "session/outlet.hpp"
#include "session/request_runner.hpp"

struct io_uring;

namespace ashlar::host {

class ColdReads {
 public:
  static constexpr unsigned most_under_way = 128;

  // All members are for the session's thread, and for one thread only: the kernel wants it so.
  ColdReads(int socket, RequestRunner& runner, Outlet& outlet, BufferPool& pool);
  ~ColdReads();  // waits for the reads that are under way, and drops them
  ColdReads(const ColdReads&) = delete;
  ColdReads& operator=(const ColdReads&) = delete;

  // Takes a read of bytes that are in `fd` at `offset`; submitted by wait(). False: it cannot be taken now, or never, as where
  // the system forbids io_uring: then it is for a worker.
  bool start(const Asked& asked, int fd, std::uint64_t offset);
  bool any() const { return under_way_ != 0; }
  bool full() const { return under_way_ == most_under_way; }

  // Waits until a read is done, the socket has something to receive (unless `deaf`), or Transmission::patience is over. Sends
  // the replies of reads that are done; adds those that were not read whole to `undone`, to be run again by a worker. Returns
  // whether the socket may have something to receive: it has, or the client has just got replies.
  bool wait(bool deaf, std::vector<Asked>& undone);

 private:
  struct Read;
  struct Closer {
    void operator()(io_uring* ring) const;
  };
  bool open_ring();
  void reap(bool& readable, std::vector<Asked>& undone);
  void reap_what_follows(bool& readable, std::vector<Asked>& undone);
  void send_done();
  void end(Read* read);

  const int socket_;
  RequestRunner& runner_;
  Outlet& outlet_;
  BufferPool& pool_;
  std::unique_ptr<io_uring, Closer> ring_;
  bool forbidden_ = false;
  bool watching_ = false;  // the socket, for input
  unsigned under_way_ = 0;
  std::vector<std::unique_ptr<Read>> all_;
  std::vector<Read*> free_;
  std::vector<Read*> done_;  // read whole, not yet sent
  std::vector<iovec> parts_;
};

}  // namespace ashlar::host
