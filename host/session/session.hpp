// Session: one client, from the greeting to the end of its connection.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/logger.h>

#include "chain/chain.hpp"
#include "chain/export.hpp"
#include "log/repeats.hpp"
#include "protocol/handshake.hpp"
#include "session/client_facts.hpp"
#include "session/inbox.hpp"
#include "session/memory_use.hpp"
#include "session/served_exports.hpp"
#include "session/stream_end.hpp"
#include "session/transmission.hpp"
#include "session/visible_exports.hpp"
#include "session/waiter.hpp"
#include "socket/peer.hpp"
#include "socket/tls_socket.hpp"

namespace ashlar::host {

// Handshakes of TLS, of all clients.
struct TlsCounts {
  std::atomic<std::uint64_t> done{0}, failed{0};
};

// How a client is served. A session keeps to that of its beginning.
struct SessionSettings {
  protocol::PayloadLimits max_payload;
  std::chrono::milliseconds handshake_timeout;
  std::optional<std::chrono::microseconds> busy_poll;  // none: it adapts
  protocol::TlsMode tls_mode = protocol::TlsMode::off;
  std::shared_ptr<TlsServer> tls{};  // null only when the mode is off
};

// What sessions share. Outlives them. The executor is destroyed first, and with it ends the last thread that was in a
// module.
struct SessionContext {
  std::shared_ptr<spdlog::logger> log;
  Repeats repeats;        // what goes wrong again and again
  ServedExports exports;  // what a new client is served
  // How a new client is served. [the io thread]
  std::shared_ptr<const SessionSettings> settings;
  BufferPool pool;
  Workers workers;
  StackPool stacks{};
  ActiveClients clients{};
  std::atomic<bool> no_io_uring{false};
  TlsCounts tls_handshakes{};
  Executor executor{};
};

// Here and in all that it is made of, "the session's thread" is whichever runs run() at present: one at a time, and the
// next time perhaps another. Not on a fiber, unless that is said: what runs on one waits by the fiber alone.
class Session : private protocol::Catalog, private Places::Holder {
 public:
  // [the io thread]
  Session(std::unique_ptr<Socket> socket, Peer peer, SessionContext& context);
  // It has no chain and no export any more, so no module is called. [any thread]
  ~Session() override = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  enum class Outcome {
    idle,  // wait until the socket is readable, then call run() again
    over,  // the connection has ended, and the chain is closed: destroy it
  };
  // Talks to the client until there is nothing to do. [a thread of the executor: the session's thread meanwhile]
  Outcome run() noexcept;

  // Why clients are ended whose export is served no longer.
  static const char* const ended_by_reload;

  // Finish what is under way and end. A run() under way sees it within Socket::patience, and returns when all is done;
  // one that is not, when called next. [any thread]
  void stop() { stopping_.store(true, std::memory_order_release); }
  bool is_to_stop() const { return stopping_.load(std::memory_order_acquire); }
  // The same, for this reason, which is a constant.
  void stop(const char* reason) {
    ended_by_.store(reason, std::memory_order_relaxed);
    stop();
  }
  // Break the connection: even a send that waits for the client ends. [any thread]
  void abort();
  // Break the connection for this reason, which is a constant. [any thread]
  void disconnect(const char* reason);

  // Whether the handshake is not over yet. [any thread]
  bool in_handshake() const { return !in_transmission_.load(std::memory_order_relaxed); }
  // By when it has to be over. While its client waits for the server that moves on, so it is to be asked again then.
  // [any thread]
  std::chrono::steady_clock::time_point end_of_handshake() const;
  // Bytes of buffers that it has. [any thread]
  std::uint64_t memory() const { return memory_.bytes(); }
  // Whether it keeps memory that others may want, for a request that has come in part. [while it is idle]
  bool holds_memory() const { return inbox_.has_buffer(); }
  // Whether a reply waits for the client to take it. [any thread]
  bool waits_to_send() const { return waits_to_send_.load(std::memory_order_relaxed); }
  // To be waited for. [while it is idle]
  Socket& socket() { return *socket_; }
  // [while it is idle]
  const Peer& peer() const { return peer_; }

 private:
  Outcome talk();
  const char* why_without_memory() const;
  Outcome shake_hands();
  bool send_output();
  bool plaintext_follows();
  std::optional<Outcome> secure();
  void be_secured();
  Outcome refuse_tls();
  Outcome begin_transmission();
  Outcome transmit();
  bool late() const;
  class ServersTime;
  Outcome end(std::string_view reason);
  void log_end(std::string_view reason);
  ListedExports names_of(std::size_t index, std::size_t most, std::size_t most_bytes);
  void log_failure(const char* why);
  void log_refusal(const std::string& why);
  std::string lacks_place(Export& exported, bool for_reading);
  std::string refuse_second_writer(Export& exported);
  std::string refuse_further_client(Export& exported);

  // Catalog: the exports, as this client's handshake sees them.
  std::size_t size() const override { return visible_->size(); }
  std::string_view name(std::size_t index) const override { return visible_->exported(index).name(); }
  std::string_view description(std::size_t index) const override { return visible_->exported(index).description(); }
  bool requires_tls(std::size_t index) const override { return visible_->exported(index).requires_tls(); }
  bool is_template(std::size_t index) const override { return visible_->exported(index).as_template() != nullptr; }
  std::shared_ptr<const std::vector<Listed>> listed(std::size_t index, std::size_t most) override;
  std::optional<std::size_t> other(std::string_view name) override;
  Opened open(std::size_t index, std::string_view name) override;
  Opened why_not(const Export& exported, const OpenError& refused);
  std::string enter() override;
  bool stops() const override { return is_to_stop(); }
  void unknown(std::string_view name) override;

  // Places::Holder: of an export that not everybody may have open at once. Who the client is changes no more then, as
  // TLS comes before. [any thread]
  std::string who() const override { return describe(peer_); }
  bool leaves() const override;
  Places::Patience patience() const;

  const std::unique_ptr<Socket> connection_;  // to the client
  std::unique_ptr<TlsSocket> tls_;            // over it, once the client has asked for TLS
  Socket* socket_;                            // the upper one that can be talked through
  std::atomic<Socket*> breaks_by_;            // the same, for other threads, who may break the connection
  Peer peer_;
  SessionContext& context_;
  const std::shared_ptr<const SessionSettings> settings_;
  std::shared_ptr<const Exports> exports_;  // in the handshake: those of its beginning
  std::shared_ptr<Export> export_;          // in transmission: outlives the chain
  // Of the handshake; and whether the client waits for the server there, which has no deadline.
  std::atomic<std::chrono::steady_clock::time_point> deadline_;
  std::atomic<bool> is_waited_for_{false};
  std::chrono::nanoseconds servers_time_left_ = std::chrono::minutes(10);  // so long it may wait so, all in all
  std::atomic<bool> stopping_{false};
  std::atomic<bool> in_transmission_{false};
  std::atomic<bool> waits_to_send_{false};

  Waiter waiter_;
  MemoryUse memory_;
  Inbox inbox_;
  ClientFacts client_facts_;
  std::atomic<bool> broken_off_{false};         // by the server
  std::atomic<const char*> ended_by_{nullptr};  // why somebody else than its two ends has ended it
  StreamEnd stream_end_;
  Cancellation of_reads_, of_writes_;
  const ForClient for_client_;
  std::atomic<bool> ending_{false};
  // In the handshake. To be made anew when more is known of the client.
  std::optional<VisibleExports> visible_;
  struct GiveBack {
    const Places::Holder* holder;
    void operator()(Places* places) const { places->give_back(*holder); }
  };
  using Place = std::unique_ptr<Places, GiveBack>;  // null: it has none
  Place place_{nullptr, {this}};                    // of all clients
  Place write_place_{nullptr, {this}};              // of those who write
  std::unique_ptr<Chain> chain_;
  std::size_t open_index_ = 0;  // of chain_, in visible_
  // What could not be opened last, and what the client was told of it.
  struct Failed {
    std::size_t index = 0;  // in visible_
    std::string name;       // by which it was asked for
    Opened told;
    std::chrono::steady_clock::time_point when;
  };
  std::optional<Failed> failed_;
  std::optional<protocol::Handshake> handshake_;
  std::optional<Transmission> transmission_;
};

}  // namespace ashlar::host
