// Ending: how the server stops, within five seconds, whatever clients and modules do. (all members on the io_context's
// thread)
#pragma once
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "chain/activity.hpp"
#include "log/log.hpp"
#include "server/connections.hpp"
#include "server/supervision.hpp"
#include "server/watch.hpp"

namespace ashlar::host {

class Ending {
 public:
  struct Hooks {
    std::function<void()> begin;                // all parts are to stop
    std::function<Connections*()> connections;  // null: there are none yet
    std::function<bool()> is_created;           // what is served has been made
  };
  // All outlive it.
  Ending(boost::asio::io_context& io, Log& log, std::shared_ptr<Activity> activity, Supervision& supervision,
         Hooks hooks);
  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  // Somebody wants the server to stop. The first time it begins to; the second time connections are broken off; the
  // third time, and when something does not end, the process ends here.
  void told(const char* why);
  bool has_begun() const { return times_told_ != 0; }

 private:
  using Clock = Timer::Clock;
  void begin(const char* why);
  void time_is_up();
  void break_off(const char* why);
  [[noreturn]] void leave();
  void name_what_is_left();

  Log& log_;
  const std::shared_ptr<Activity> activity_;
  Supervision& supervision_;
  const Hooks hooks_;
  Timer timer_;
  unsigned times_told_ = 0;
  Clock::time_point told_at_;
};

}  // namespace ashlar::host
