// Connection: one client at a fixed depth. Lean, so that the server and not the client is what is measured: requests go
// out in batches without copying payloads, replies are parsed from a large buffer, and no clock is read more than once
// per reply.
#pragma once
#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "histogram.hpp"
#include "job.hpp"
#include "protocol/wire.hpp"
#include "stream.hpp"

namespace ashlar::bench {

using Clock = std::chrono::steady_clock;

struct Result {
  std::uint64_t operations = 0;
  std::uint64_t errors = 0;  // operations that the server answered with an error
  Histogram latency;
  Clock::time_point end;  // the last reply
};

class Connection {
 public:
  // Connects and shakes hands. `number`: which of the job's connections it is. Throws std::runtime_error.
  Connection(const Options& options, const Job& job, std::uint32_t number);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends for options.seconds, or options.requests requests, and waits for every reply. Throws std::runtime_error when
  // the server breaks the connection or the protocol.
  Result run();

 private:
  struct Slot {
    std::byte header[protocol::request_size];
    bool read = false;
    bool failed = false;
    bool busy = false;
    Clock::time_point asked;
  };
  void ask(std::uint32_t slot, Clock::time_point now);
  std::uint64_t draw();
  std::uint64_t next_offset();
  void send_what_fits();
  void wait_and_receive();
  void take_replies();
  bool take_reply();
  bool take_simple(const std::byte* at, std::size_t have);
  bool take_chunk(const std::byte* at, std::size_t have);
  Slot& slot(std::uint64_t cookie);
  void finish(std::uint64_t cookie);

  const Options& options_;
  const Job& job_;
  Stream stream_;
  std::uint64_t blocks_ = 0;  // requests that the disk holds
  std::uint64_t next_block_ = 0;
  std::uint64_t random_;
  std::vector<Slot> slots_;
  std::vector<std::byte> payload_;
  std::vector<iovec> unsent_;  // from first_unsent_ on
  std::size_t first_unsent_ = 0;
  std::vector<std::byte> in_;
  std::size_t begin_ = 0, end_ = 0;  // of what is received and not parsed
  std::uint64_t to_skip_ = 0;        // bytes of data that belong to a parsed reply
  std::uint64_t in_flight_ = 0;
  std::uint64_t asked_ = 0;
  Clock::time_point deadline_;
  Clock::time_point now_;
  Result result_;
};

}  // namespace ashlar::bench
