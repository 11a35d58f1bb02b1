// Transmission: the request loop of one client. Read transmission.cpp from top to bottom: receive, serve, reply, wait.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "session/cold_reads.hpp"
#include "session/held_reply.hpp"
#include "session/inbox.hpp"
#include "session/jobs.hpp"
#include "session/ledger.hpp"
#include "session/manners.hpp"
#include "session/outlet.hpp"
#include "session/pace.hpp"
#include "session/poller.hpp"
#include "session/reply_batch.hpp"
#include "session/request_ids.hpp"
#include "session/request_runner.hpp"
#include "session/ring.hpp"
#include "session/waiter.hpp"

namespace ashlar::host {

class Transmission {
 public:
  enum class Outcome {
    idle,  // nothing has come for a while and nothing is under way: call run() again when the socket is readable
    over,  // the connection is to be closed; reason() says why
  };

  // What it needs of the server.
  struct Server {
    protocol::PayloadLimits max_payload;
    std::optional<std::chrono::microseconds> busy_poll;  // see Poller
    Executor& executor;
    Workers& workers;
    StackPool& stacks;
    ActiveClients& clients;
    std::atomic<bool>& no_io_uring;  // see Ring
    Repeats& repeats;
  };
  // What it shares with its session: `inbox` may hold bytes that came behind the handshake.
  struct Connection {
    Socket& socket;
    Waiter& waiter;
    MemoryUse& memory;
    Inbox& inbox;
    const std::atomic<bool>& stopping;
    std::atomic<bool>& waits_to_send;  // see Outlet
    Connected who;
  };

  // `chain` and what it is given by reference outlive it.
  Transmission(Chain& chain, const protocol::Agreement& agreement, const Connection& connection, const Server& server);

  // Serves requests until the client leaves, idles or breaks the protocol, or the server stops. All that was under way
  // is done, and its replies sent, when it returns Outcome::over. The session has its share of the memory when it is
  // called, not necessarily when it returns. [the session's thread]
  Outcome run();

  Summary totals() const { return ledger_.totals(); }
  const std::string& reason() const { return reason_; }
  // Whether it was ended because others wanted the memory that it held.
  bool evicted() const { return starves_others_ || outlet_.too_slow(); }

 private:
  using Clock = std::chrono::steady_clock;
  // What has become of the next request.
  enum class Step { served, needs_more, disconnect, out_of_step };
  class Running;

  Step serve_received();
  Step serve_all_there_is();
  Step serve_next();
  bool finish_draining();
  void settle(const Asked& asked);
  void find_payload(Asked& asked) const;
  void serve(Asked& asked);
  bool serve_without_memory(const Asked& asked);
  void follow_up(const Asked& asked, const Reply& reply);
  Flags shortcuts() const;
  void laid_out(const Asked& asked, const Reply& reply);
  void serve_cold(const Asked& asked, const Reply& reply);
  void drop(const Asked& asked);
  void serve_lent(const Asked& asked, const Reply& reply);
  void hand_over(Asked asked);
  void repeat_undone();

  void send_replies();
  void reply_early(const Asked& asked);
  bool try_hold_reply();

  bool wait_and_receive();
  ssize_t receive();
  Clock::time_point clients_clock() const;
  void note_arrival(ssize_t received);
  bool nothing_to_do();

  bool is_stopping() const { return stopping_.load(std::memory_order_acquire); }  // and why is known with it
  std::string why_closed() const;
  Outcome end(std::string reason);
  void refuse_what_comes();

  Socket& socket_;
  Waiter& waiter_;
  MemoryUse& memory_;
  Inbox& inbox_;
  const std::atomic<bool>& stopping_;
  const Server server_;
  Ledger ledger_;
  RequestRunner runner_;
  Outlet outlet_;
  HeldReply held_;
  ReplyBatch replies_;
  Manners manners_;
  std::optional<Fibers> fibers_;  // where no layer blocks the thread
  Jobs jobs_;
  const bool sends_files_;
  std::optional<Poller> poller_;   // while run() runs
  std::optional<Ring> ring_;       // while run() runs
  std::optional<ColdReads> cold_;  // while run() runs
  RequestIds ids_;
  unsigned served_since_sending_ = 0;  // requests without a payload; see reply_early()
  std::optional<Asked> draining_;      // a write that is refused, while its payload comes
  std::uint64_t to_drain_ = 0;         // bytes of it still to come

  // Of the last wait.
  ssize_t received_ = 0;               // as Inbox::receive() returned
  bool replies_were_to_come_ = false;  // of reads from the disk, or of requests that were put aside
  // When something came last; what was received with the handshake came just now.
  Clock::time_point received_at_ = Clock::now();

  Pace pace_;  // of a request that has arrived in part
  bool starves_others_ = false;
  std::string reason_;
};

}  // namespace ashlar::host
