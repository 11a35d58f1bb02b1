// Backend: the server as a layer sees it: the connections to it, the requests that wait for one, and what has become
// of what was written.
#pragma once
#include <ashlar/device.hpp>
#include <ashlar/exports.hpp>
#include <ashlar/metrics.hpp>
#include <ashlar/wait.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "command.hpp"
#include "dial.hpp"
#include "facts.hpp"
#include "handle.hpp"
#include "link.hpp"
#include "losses.hpp"
#include "request.hpp"
#include "settings.hpp"

class Backend {
 public:
  // Connects to nobody yet. Throws BadParameter, std::runtime_error, std::system_error.
  explicit Backend(const ashlar::Create& create);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // Waits until the server is reached, and tells what it is. Each open() is followed by a close(), unless it has
  // thrown BadParameter. [control]
  Facts open(ashlar::Purpose purpose);
  void close(ashlar::Purpose purpose) noexcept;
  // Tells what the '*' in the export's name could stand for. Throws BadParameter. [control]
  void list(const ashlar::ExportsSink& sink);
  // Has the server carry it out; waits by ashlar.wait. Returns its errno number. [data]
  int run(Request& request) noexcept;

  const Settings& settings() const { return settings_; }
  const ashlar::Host& host() const { return host_; }
  Losses& losses() { return losses_; }

  // For links. [any thread; none blocks]
  bool wants(unsigned number) noexcept;
  bool has_waiting() noexcept;
  // Those that have waited for too long fail.
  void expire(Request::Time now) noexcept;
  // What is wrong with a server that has been reached: it has become another. Empty: it is served from now on.
  std::string accept(const Facts& facts);
  void reached(Link& link) noexcept;
  // `error`: EIO: it has another disk; ENOENT: it lacks the export; else ENOTCONN.
  void not_reached(unsigned number, const std::string& why, int error) noexcept;
  void gone(Link& link) noexcept;
  void lost(const std::string& why) noexcept;
  // A connection has ended on our side, and what was written is not flushed.
  void not_flushed(const char* why) noexcept;
  // Whether a connection has just been given up because the server did not answer.
  void set_silent() noexcept { silent_at_ = std::chrono::steady_clock::now(); }
  bool is_silent() const noexcept;
  // Hands it to a link that is ready, or has it wait for one. The second: one that was lost with its connection, over
  // which the server was `heard` last then.
  void give(Request& request) noexcept;
  void give_again(Request& request, Request::Time heard) noexcept;
  // Ends it with an errno number, 0 included.
  void finish(Request& request, int error) noexcept;
  // [a link's thread] Reaches the server. `why_not`: as of Patience. Throws Unreachable, std::bad_alloc.
  std::unique_ptr<Handle> make_handle(const Waker& waker, std::function<std::string()> why_not, bool lists = false);

 private:
  Link* pick(const Request& request) noexcept;
  Link* oldest() noexcept;
  bool any_ready() noexcept;
  bool has_flush() noexcept;
  void give_up(Request& request) noexcept;
  void fail_waiting(const std::function<bool(const Request&)>& fits, int error) noexcept;
  void be_the_same_user();

  const Settings settings_;
  const ashlar::Host host_;
  const ashlar::Wait wait_;
  const ashlar::Counter connects_, repeats_, lost_flushes_;
  Losses losses_;
  std::unique_ptr<Command> command_;  // null: there is a uri
  std::atomic<Request::Time> silent_at_{};

  std::mutex mutex_;  // of what follows; held for a moment
  std::vector<Request*> waiting_;
  std::optional<Facts> facts_;  // none: not reached yet
  std::string last_error_;
  unsigned devices_ = 0, clients_ = 0;
  std::uint64_t made_ = 0;                    // connections, so far
  unsigned user_ = 0;                         // as whom the server was reached
  std::vector<std::unique_ptr<Link>> links_;  // last: their threads are gone before what they use
};
