// Transfer: one request to the server and its answer, with the handle of libcurl that makes it. Used again for further
// ones, as making a handle costs more than a request.
//
// Who asks waits for a ticket, and may give up: from then on nothing of his is touched, whatever libcurl does, and the
// thread that drives the transfer ends it when it comes to it.
#pragma once
#include <curl/curl.h>

#include <array>
#include <ashlar/wait.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "answer.hpp"
#include "settings.hpp"
#include "sockets.hpp"

class Transfer {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `settings`, `sockets` and `heard` outlive it. heard: when the server was last heard of, by any transfer. [the
  // driver's thread] Throws std::bad_alloc, std::runtime_error.
  Transfer(const Settings& settings, Sockets& sockets, Time& heard);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // What it is to do next; the memory stays until the ticket is done. `known`: none yet while the file is being opened.
  // [who asks]
  void want_bytes(std::uint64_t offset, std::span<std::byte> into, const Identity* known);
  void want_head();
  // The next try is not made over a connection that is there: the last one has timed out. [who asks]
  void want_new_connection(bool wanted);
  void begin(ashlar::Wait::Ticket& ticket);
  // Ends the wait with ECANCELED. Whether it was still waited for. [any thread, does not block]
  bool give_up() noexcept;

  // What has come of it. [who asks, behind the wait]
  const Fault& fault() const { return fault_; }
  const Answer& answer() const { return answer_; }
  std::optional<std::uint64_t> told_size() const { return told_size_; }  // by Content-Length, or by ftp and file
  std::int64_t told_time() const { return told_time_; }                  // by ftp and file; -1: none
  long connects() const { return connects_; }                            // connections that were made for it

  // [the driver's thread]
  CURL* handle() const { return handle_.get(); }
  bool given_up() const;
  // Whether it has waited for a connection since `time`, or before. libcurl itself waits for as long as it takes.
  bool waits_since(Time time) const { return !sent_ && begun_ <= time; }
  // Wakes who waits. Returns whether somebody did: else it is nobody's any more.
  bool ended(CURLcode code) noexcept;

 private:
  struct Cleanup {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };
  static std::size_t header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static int before_request(void* self, char*, char*, int, int) noexcept;
  std::size_t take_header(std::string_view line);
  bool leads_elsewhere() const;
  static std::size_t body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  std::size_t take(std::span<const char> bytes);
  void set_up(Sockets& sockets);
  void set_up_access();
  void look_at_end(CURLcode code);
  Fault fault_of_end(CURLcode code) const;
  Fault fault_of_curl(CURLcode code) const;
  template <class Value>
  void set(CURLoption option, Value value);

  void add_header(const std::string& line);

  const Settings& settings_;
  Time& heard_;
  std::unique_ptr<curl_slist, Cleanup> headers_;
  std::unique_ptr<CURL, Cleanup> handle_;
  std::array<char, CURL_ERROR_SIZE> message_{};

  mutable std::mutex mutex_;  // of the next two; not held over anything that waits
  ashlar::Wait::Ticket* ticket_ = nullptr;
  std::span<std::byte> into_;

  bool head_only_ = false;
  std::uint64_t offset_ = 0;
  const Identity* known_ = nullptr;  // not looked at when it was given up
  Answer answer_;
  Time begun_{};
  bool sent_ = false;       // a connection was there for it
  bool looked_at_ = false;  // the answer's head, when its first byte came
  std::uint64_t received_ = 0, passed_over_ = 0;
  Fault fault_;
  std::optional<std::uint64_t> told_size_;
  std::int64_t told_time_ = -1;
  long connects_ = 0;
};
