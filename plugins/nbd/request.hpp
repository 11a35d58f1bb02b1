// Request: one that is made of a server, from the moment in which somebody waits for it to its end. It lies with who
// waits.
#pragma once
#include <ashlar/wait.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "coverage.hpp"

class Link;

struct Request {
  using Time = std::chrono::steady_clock::time_point;
  enum class Kind { connection, read, write, flush, trim, zero, cache, extents };  // connection: that there is one

  Kind kind = Kind::connection;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;  // bytes
  std::uint32_t flags = 0;   // LIBNBD_CMD_FLAG_*
  void* data = nullptr;      // read: to fill; write: to take from
  bool on_trial = false;     // connection: fails with the first try that fails

  Coverage coverage;                                             // read
  std::vector<std::pair<std::uint32_t, std::uint32_t>> extents;  // extents: length and state
  std::uint64_t covered = 0;                                     // flush: of Losses

  ashlar::Wait::Ticket* ticket = nullptr;
  std::atomic<Link*> link = nullptr;   // where it is under way
  std::atomic<bool> given_up = false;  // nobody wants the answer any more
  Time given{};                        // when it was given to its link
  Time deadline{};                     // by when a connection must be there; none before one was missed
  std::size_t place = 0;               // among those of its link

  bool changes() const { return kind == Kind::write || kind == Kind::trim || kind == Kind::zero; }
};
