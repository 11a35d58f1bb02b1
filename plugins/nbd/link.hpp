// Link: one connection to the server, made anew when it is lost, and the thread that moves it.
//
// libnbd's handle is used by whoever has its turn: the link's thread while it takes answers, or who brings a request
// while nobody else has it, so that a request is sent without waking anybody. Who finds it taken leaves the request
// to who has it.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "handle.hpp"
#include "request.hpp"
#include "turn.hpp"
#include "waker.hpp"

class Backend;

class Link {
 public:
  // The first, 0, finds out what the server is; see Backend. Throws std::system_error.
  Link(Backend& backend, unsigned number);
  // No request is under way.
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Sends the request, or has it sent. False: there is no connection. [any thread, does not block]
  bool submit(Request& request) noexcept;
  // How many requests are under way. [any thread, as are those below]
  std::size_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
  bool is_ready() const noexcept { return ready_.load(std::memory_order_acquire); }
  void set_ready(bool ready) noexcept { ready_.store(ready, std::memory_order_release); }
  // How many connections were made before it.
  std::uint64_t made_before() const noexcept { return made_before_.load(std::memory_order_relaxed); }
  void set_made_before(std::uint64_t count) noexcept { made_before_.store(count, std::memory_order_relaxed); }
  // Has its thread look whether there is something to do; `hurries`: to connect at once. [does not block]
  void wake(bool hurries = false) noexcept;
  // Ends the connection, which is made anew when it is wanted.
  void reconnect() noexcept;
  // Has it end, for which its destructor waits.
  void end() noexcept;

 private:
  using Time = Request::Time;
  void run() noexcept;
  void pause() noexcept;
  bool connect() noexcept;
  void serve() noexcept;
  void close() noexcept;
  void hang_up() noexcept;
  bool flush_last(Handle& handle, const Patience& patience) noexcept;
  void lost(const std::string& why) noexcept;
  short wait_for_answers(short events) noexcept;
  bool take_answers(short ready, Time now) noexcept;
  Time silent_since() const noexcept;
  const char* fault_of_silence(Time now) noexcept;
  bool is_unwanted() noexcept;

  void pump() noexcept;
  void send_new() noexcept;
  void start(Request& request) noexcept;
  static int answered(void* request, int* error) noexcept;
  void forget(Request& request) noexcept;

  Backend& backend_;
  const unsigned number_;
  Waker waker_;
  std::atomic<bool> ready_ = false, ends_ = false, hurries_ = false, drops_ = false;
  std::atomic<std::size_t> load_ = 0;
  std::atomic<std::uint64_t> made_before_ = 0;
  std::atomic<bool> sleeps_ = false;  // its thread waits without end
  std::atomic<Time> busy_since_{};

  std::mutex mutex_;  // of the next two; held for a moment
  bool open_ = false;
  std::vector<Request*> new_;

  Turn turn_;  // of what follows
  std::unique_ptr<Handle> handle_;
  std::vector<Request*> taken_, under_way_;
  bool server_stops_ = false, has_answered_ = false;

  unsigned tries_ = 0;  // since a connection that has held [thread_, as is the next]
  Time next_try_{}, connected_{}, heard_{}, given_up_since_{};
  std::thread thread_;
};
