// Reloader: has the config read anew, one time after another, by a thread that may wait for modules and disks, and has
// the server take up what comes of it. (all members on the io thread, unless said otherwise)
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "server/setup.hpp"
#include "session/executor.hpp"

namespace ashlar::host {

namespace json = boost::json;

class Reloader {
 public:
  // Called with what a reload has come to; see host/control/README.md.
  using Answer = std::function<void(json::object)>;
  struct Hooks {
    std::function<void()> begins;  // a reload does
    // [a thread of the executor] throws ConfigError, Stopped
    std::function<Setup()> make;
    std::function<json::object(Setup, bool end_clients)> take_up;  // serves that; returns what it has changed
    std::function<void()> over;                                    // a reload is, whatever it has come to
  };
  // All outlive it.
  // `why_not`: the config cannot be read again; empty: it can.
  Reloader(boost::asio::io_context& io, Executor& executor, std::shared_ptr<spdlog::logger> logger, std::string why_not,
           Hooks hooks);
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // When those before are over. `end_clients`: the clients of exports that change or are removed. `answer` may be null.
  void reload(bool end_clients, Answer answer);
  // Reloads no more: the executor may go. What one that is under way has made is left to discard().
  void stop();
  // Has a thread let go of what calls modules when its last owner lets go. [within Hooks::take_up, once]
  void let_go_of(std::shared_ptr<const void> what) noexcept;
  // Tries again what there was no thread or no memory for. To be called every few seconds.
  void let_go_of_rest() noexcept;
  // Lets go of everything. [a thread that may wait for modules, once no thread of the executor is left]
  void discard();

 private:
  struct Request {
    bool end_clients;
    Answer answer;
  };
  void begin_next();
  void make() noexcept;  // [a thread of the executor]
  void made();
  void end(json::object answer);

  boost::asio::io_context& io_;
  Executor& executor_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::string why_not_;
  const Hooks hooks_;
  std::deque<Request> requests_;  // the first is under way
  bool is_under_way_ = false, stopped_ = false;
  // What make() has come to.
  std::optional<Setup> setup_;
  std::exception_ptr failure_;
  using LetGo = std::list<std::shared_ptr<const void>>;
  LetGo to_let_go_;
  LetGo room_to_let_go_;  // made before each reload
};

}  // namespace ashlar::host
