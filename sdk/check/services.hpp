// Services: the host, as far as the layers under check and their connections see it.
#pragma once
#include <ashlar/abi.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "layer_host.hpp"
#include "options.hpp"
#include "padded.hpp"

namespace ashlar::check {

// Safe for all threads. Keeps its address; outlives the layers it is given to.
class Services {
 public:
  using Clock = std::chrono::steady_clock;

  // With `options.verbose` what a module logs goes to stderr.
  explicit Services(const Options& options);
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // For a layer that is about to be created.
  LayerHost& add_layer();
  // Of a connection (ASHLAR_DISCONNECT_ID, ASHLAR_REOPEN_ID), or nullptr.
  const void* of_connection(const char* id);

  const Options& options() const { return options_; }
  // How many bytes the text of an error may have.
  std::size_t error_room() const { return error_room_; }
  void set_error_room(std::size_t bytes) { error_room_ = bytes; }
  // From `when` on nobody wants the answers of the calls under way; Clock::time_point::max(): never.
  void cancel_at(Clock::time_point when) { cancel_at_ = when; }
  Clock::time_point cancelled_at() const { return cancel_at_; }
  // Tickets that were begun and not waited for.
  std::size_t tickets() const;
  // How often a thread has slept in a wait.
  std::uint64_t waits() const { return waits_; }
  void count_wait() { ++waits_; }
  // What nobody prints; empty: nothing.
  void set_secret(const std::string& text) { secret_ = text; }
  bool tells_secret(std::string_view text) const {
    return !secret_.empty() && text.find(secret_) != std::string_view::npos;
  }
  // A module did something wrong with what it was given.
  void wrong(const std::string& what);
  // The first of these; empty: none.
  std::string fault() const;
  // Throws Broken with it.
  void look() const;

 private:
  static std::int32_t reopen(void* self, std::uint64_t, ashlar_error*) noexcept;

  const Options& options_;
  std::string secret_;
  std::size_t error_room_ = 256;
  std::atomic<std::uint64_t> waits_{0};
  std::atomic<Clock::time_point> cancel_at_{Clock::time_point::max()};
  // Layers that are over are remembered so long.
  static constexpr std::size_t most_layers = 16;

  mutable std::mutex fault_mutex_;  // innermost
  std::string fault_;
  mutable std::mutex mutex_;
  std::deque<LayerHost> layers_;
  Padded<ashlar_disconnect> disconnect_;
  Padded<ashlar_reopen> reopen_;
};

}  // namespace ashlar::check
