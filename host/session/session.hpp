// Session: one client, from the greeting to the end of its connection.
#pragma once
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spdlog/logger.h>

#include "chain/export.hpp"
#include "protocol/handshake.hpp"
#include "session/inbox.hpp"
#include "session/transmission.hpp"

namespace ashlar::host {

// What sessions share. Outlives them. The executor goes first, and with it the last thread that was in a module.
struct SessionContext {
  std::shared_ptr<spdlog::logger> log;
  std::vector<std::unique_ptr<Export>> exports;
  protocol::PayloadLimits max_payload;
  std::chrono::milliseconds handshake_timeout;
  std::optional<std::chrono::microseconds> busy_poll;  // none: as experience teaches
  Company company;
  BufferPool pool;
  Executor executor;
};

class Session : private protocol::Catalog {
 public:
  // Takes the connected, blocking socket `fd`. `peer`: for the log.
  Session(int fd, std::string peer, SessionContext& context);
  ~Session() override;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  enum class Outcome {
    idle,  // wait until the socket is readable, then call run() again
    over,  // done with: destroy it
  };
  // Talks to the client until there is nothing to do. [one thread at a time]
  Outcome run() noexcept;

  // Finish what is under way and end: a run() under way returns soon; one that is not, when called next. [any thread]
  void stop();
  // Break the connection: even a send that waits for the client ends. [any thread]
  void abort();
  // Whether the handshake is not over yet. [any thread]
  bool in_handshake() const { return !in_transmission_.load(std::memory_order_relaxed); }
  int fd() const { return fd_; }
  const std::string& peer() const { return peer_; }

 private:
  Outcome shake_hands();
  Outcome transmit();
  bool send_output();
  bool late() const;
  Outcome end(const std::string& reason);

  // Catalog: the exports, as this client's handshake sees them.
  std::size_t size() const override { return context_.exports.size(); }
  std::string_view name(std::size_t index) const override { return context_.exports[index]->name(); }
  std::string_view description(std::size_t index) const override { return context_.exports[index]->description(); }
  Opened open(std::size_t index) override;

  const int fd_;
  const std::string peer_;
  SessionContext& context_;
  const std::chrono::steady_clock::time_point deadline_;  // of the handshake
  std::atomic<bool> stopping_{false};
  std::atomic<bool> in_transmission_{false};

  Inbox inbox_;
  std::unique_ptr<Chain> chain_;
  std::size_t open_index_ = 0;  // of chain_
  std::optional<protocol::Handshake> handshake_;
  std::optional<Transmission> transmission_;
};

}  // namespace ashlar::host
