// Transmission: the request loop of one client. Read transmission.cpp from top to bottom: it is the whole fast path.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "session/cold_reads.hpp"
#include "session/inbox.hpp"
#include "session/jobs.hpp"
#include "session/outlet.hpp"
#include "session/poller.hpp"
#include "session/request_runner.hpp"

namespace ashlar::host {

class Transmission {
 public:
  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t bytes_read = 0;     // asked for by reads
    std::uint64_t bytes_written = 0;  // brought by writes
  };
  enum class Outcome {
    idle,  // nothing has come for a while and nothing is under way: call run() again when the socket is readable
    over,  // the connection is to be closed; reason() says why
  };

  // What it needs of the server.
  struct Surroundings {
    protocol::PayloadLimits max_payload;
    std::optional<std::chrono::microseconds> busy_poll;  // see Poller
    BufferPool& pool;
    Executor& executor;
    Company& company;
    spdlog::logger& log;
  };

  // What the socket's SO_RCVTIMEO is to be: how long run() waits for the client before it turns to something else.
  static constexpr std::chrono::milliseconds patience{100};

  // `chain` outlives it. `inbox` may hold bytes that came behind the handshake.
  Transmission(int fd, Chain& chain, const protocol::Agreement& agreement, Inbox& inbox,
               const std::atomic<bool>& stopping, const Surroundings& surroundings);
  ~Transmission() = default;

  // Serves requests until the client leaves, idles or breaks the protocol, or the server stops. All that was under way is
  // done, and its replies sent, when it returns Outcome::over. [the session's thread]
  Outcome run();

  const Counts& counts() const { return counts_; }
  std::uint64_t errors() const { return runner_.errors(); }
  const std::string& reason() const { return reason_; }

 private:
  enum class Served { all, disconnect, out_of_step };
  bool may_hold_reply() const;
  void learn_from_holding();
  ssize_t wait(Poller& poller);
  ssize_t wait_with_cold_reads(bool deaf);
  void repeat_undone();
  Served serve_received();
  void serve(const Asked& asked);
  void serve_cold(const Asked& asked, const Reply& reply);
  void serve_lent(const Asked& asked, const Reply& reply);
  void hand_over(const Asked& asked);
  void expect(std::size_t bytes);
  std::byte* reply_room(std::size_t bytes);
  void send_replies();
  void send_early_replies(const Asked& asked);
  void let_large_buffers_go();
  const char* why_closed();
  bool starves_others(ssize_t n);
  Outcome end(std::string reason);

  const int fd_;
  Inbox& inbox_;
  const std::atomic<bool>& stopping_;
  const Surroundings around_;
  RequestRunner runner_;
  Outlet outlet_;
  Jobs jobs_;
  std::optional<ColdReads> cold_;    // while run() runs
  std::vector<Asked> undone_;        // cold reads that a worker has to repeat
  std::shared_ptr<Buffer> replies_;  // laid out, not yet sent
  std::size_t replies_size_ = 0;
  bool large_write_done_ = false;    // and its reply is the last of them
  bool held_ = false;                // that reply waits
  std::uint64_t hold_from_ = 0;      // the number of the request from which on a reply may wait
  unsigned ready_ = 0;               // requests without a payload taken in since replies were last sent
  std::uint64_t to_drain_ = 0;       // bytes of a refused payload still to come
  std::optional<std::chrono::steady_clock::time_point> slow_since_;  // see starves_others()
  std::size_t slow_bytes_ = 0;
  Counts counts_;
  std::string reason_;
};

}  // namespace ashlar::host
