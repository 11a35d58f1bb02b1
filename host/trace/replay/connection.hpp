// Connection: a client of any NBD server, by libnbd. It never blocks, but while it connects. For one thread.
#pragma once
#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "format/record.hpp"
#include "trace/replay/libnbd.hpp"

namespace ashlar::host::traces {

// A request of the trace, asked again.
struct Again {
  trace::Record record;
  std::uint64_t number = 0;      // in the replay, from 0 on
  std::vector<std::byte> bytes;  // that are written, or were read
  std::uint64_t begun = 0;       // nanoseconds of CLOCK_MONOTONIC
  std::uint64_t done = 0;
  int error = 0;  // errno
  bool finished = false;
};

// What the server can do.
struct Offers {
  std::uint64_t size = 0;
  Ops ops;
  Flags flags;
  bool multi_conn = false;
};

std::uint64_t monotonic_time();

class ConnectionLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Connection {
 public:
  // Connects. Throws UsageError for what is no URI, std::runtime_error when that fails or there is no libnbd,
  // Interrupted.
  explicit Connection(const std::string& uri);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  const Offers& offers() const { return offers_; }

  // Asks; `again` has to stay where it is until it is finished, which ready() notes. Throws ConnectionLost.
  void begin(Again& again);
  // What to wait for.
  pollfd wanted() const;
  // Goes on. Throws ConnectionLost.
  void ready(short events);

 private:
  void connect(const std::string& uri);
  void look_at_offers();
  std::string last_error() const;
  [[noreturn]] void lost() const;

  const Libnbd lib_;
  nbd_handle* const nbd_;
  Offers offers_;
};

}  // namespace ashlar::host::traces
