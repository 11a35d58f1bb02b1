// Services: the host, as far as a module under check sees it.
#pragma once
#include <ashlar/abi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "padded.hpp"

namespace ashlar::check {

// Safe for all threads. Keeps its address; outlives the layers it is given to.
class Services {
 public:
  // `verbose`: what a module logs goes to stderr.
  explicit Services(bool verbose);
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  const ashlar_host* host() const { return host_.get(); }
  // Of a connection (ASHLAR_DISCONNECT_ID, ASHLAR_REOPEN_ID), or nullptr.
  const void* of_connection(const char* id);

  // Stand around a call of create: verbs are offered within it, and each layer has its own.
  void begin_create();
  void end_create();

  // How many bytes the text of an error may have.
  std::size_t error_room() const { return error_room_; }
  void set_error_room(std::size_t bytes) { error_room_ = bytes; }
  // Tickets that were begun and not waited for.
  std::size_t tickets() const;
  // How often a thread has slept in a wait.
  std::uint64_t waits() const { return waits_; }
  // The first thing that the module did wrong with what it was given; empty: nothing.
  std::string fault() const;
  void look() const;

 private:
  struct Waits;
  struct Metrics;
  struct Control;

  static std::int32_t enabled(void*, std::uint32_t) noexcept { return 1; }
  static void log(void* self, std::uint32_t level, const char* text, std::size_t length) noexcept;
  static const void* extension(void* self, const char* id) noexcept;
  void wrong(const std::string& what);
  void wrong_alone(const std::string& what);

  const bool verbose_;
  std::size_t error_room_ = 256;
  std::unique_ptr<Waits> wait_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<Control> control_;
  std::atomic<std::uint64_t> waits_{0};
  mutable std::mutex mutex_;
  std::string fault_;
  Padded<ashlar_host> host_;
  Padded<ashlar_disconnect> disconnect_;
  Padded<ashlar_reopen> reopen_;
};

}  // namespace ashlar::check
