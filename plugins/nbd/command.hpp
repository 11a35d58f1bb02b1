// Command: an NBD server that is a program of ours: started when it is wanted, again when it has ended, and ended
// with the layer. It gets its listening socket by systemd's socket activation (sd_listen_fds(3)). What it prints is
// logged.
#pragma once
#include <sys/types.h>

#include <array>
#include <ashlar/host.hpp>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "helper.hpp"
#include "owned_fd.hpp"

class Command {
 public:
  // Makes the helper, and starts nothing yet. Throws BadParameter("command"), std::system_error.
  Command(const std::vector<std::string>& words, const ashlar::Host& host);
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Starts it, unless it runs; returns which start it was. May wait for as long as that takes. Throws Unreachable.
  // [any thread]
  std::uint64_t start();
  // Why it runs no more, or not as of that start; empty: it does. [any thread]
  std::string why_ended(std::uint64_t start);
  // Has it end, if it runs. [any thread]
  void end_program();
  // It does not answer, and nothing is lost with it: when it is told to end it has little time for it. [any thread]
  void hurry();
  // Where it is connected to.
  const std::string& socket() const { return socket_; }

 private:
  void listen();
  void make_environment();
  void fork_helper();
  void end_helper();
  void watch() noexcept;
  void ended() noexcept;
  void take(const helper::Told& told);
  bool read_output();
  void take_output(std::string_view text);
  void log_line(std::string_view line);

  std::vector<std::string> words_;
  const ashlar::Host host_;
  std::string name_, program_, socket_;
  std::vector<std::string> environment_;
  std::array<char, 32> listen_pid_{};
  OwnedFd listener_, place_, helper_, output_;  // place_: the socket's file, which has no name any more
  pid_t helper_process_ = -1;

  std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool runs_ = false, starts_ = false, ends_ = false;  // ends_: it was told to
  int start_error_ = 0;
  std::uint64_t started_ = 0;  // how often
  std::string ended_, first_line_, last_line_;

  std::string unfinished_;  // a line [thread_]
  std::thread thread_;
};
