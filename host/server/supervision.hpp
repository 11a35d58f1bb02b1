// Supervision: the server's ties to the program that has started it and to the command that it runs. Tells the one how
// it is, and ends with either. (all members on the io thread)
#pragma once
#include <sys/resource.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/log.hpp"
#include "server/watch.hpp"
#include "spawn/command.hpp"
#include "spawn/starter.hpp"

namespace ashlar::host {

class Supervision {
 public:
  struct Hooks {
    std::function<void(const char* why)> stop;  // the server is to stop; called once
    std::function<void()> command_over;         // the command has ended, and its status is known
    std::function<std::string()> status;        // what the server is doing, in one line
  };

  // Begins to watch the parent. `descriptors`: the limit of open files that the command is to have. Throws
  // std::system_error when the kernel lacks descriptors.
  Supervision(boost::asio::io_context& io, Starter& starter, Log& log, const rlimit& descriptors, Hooks hooks);
  Supervision(const Supervision&) = delete;
  Supervision& operator=(const Supervision&) = delete;

  // Runs the command, if there is one; it finds the server at `addresses`, `by_tls`: only by TLS. Throws
  // std::system_error when it cannot be run.
  void run_command(const std::vector<std::string>& addresses, bool by_tls);
  // Clients can come to `addresses`. Tells it.
  void ready(const std::vector<std::string>& addresses);
  // The config is read anew, and then the server is as ready as before, whatever came of it.
  void reloading();
  void reloaded();
  // The server has begun to stop, and so shall the command.
  void stopping();
  // Ends the command, whatever it does.
  void kill_command() noexcept;
  bool command_runs() const noexcept { return command_ && !command_status_; }
  // Of the command; 0 when none was run.
  int exit_code() const noexcept { return command_status_.value_or(0); }
  // Leaves nothing behind, before the process ends in the middle of something.
  void leave() noexcept;

 private:
  void command_ended();
  void tell(std::string text);
  void tick();
  void tell_service_manager(bool alive);

  boost::asio::io_context& io_;
  Starter& starter_;
  Log& log_;
  const rlimit descriptors_;
  const Hooks hooks_;
  std::optional<Watch> parent_;
  std::optional<Command> command_;
  std::optional<Watch> command_end_;
  std::optional<int> command_status_;

  Timer timer_;
  Timer::Clock::time_point next_sign_of_life_;
  std::deque<std::string> untold_;  // what the service manager has to hear, in any case; one message each
  std::string last_status_;         // that it was told
  bool complained_ = false;         // that it cannot be told
  bool is_stopping_ = false;
};

}  // namespace ashlar::host
