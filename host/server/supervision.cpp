#include "server/supervision.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace ashlar::host {
namespace {

constexpr std::chrono::milliseconds between_ticks{1000};
constexpr std::chrono::microseconds shortest_pause{1000};

}  // namespace

Supervision::Supervision(boost::asio::io_context& io, Starter& starter, Log& log, const rlimit& descriptors,
                         Hooks hooks)
    : io_(io), starter_(starter), log_(log), descriptors_(descriptors), hooks_(std::move(hooks)), timer_(io, [this] {
        tick();
      }) {
  if (starter_.parent != nullptr && starter_.parent->descriptor() >= 0)
    parent_.emplace(io, starter_.parent->descriptor(), "--exit-with-parent", [this] {
      parent_.reset();
      if (!std::exchange(is_stopping_, true)) hooks_.stop("the parent process has ended");
    });
}

void Supervision::run_command(const std::vector<std::string>& addresses, bool by_tls) {
  if (starter_.run.empty()) return;
  command_.emplace(starter_.run, command_variables(addresses, by_tls), descriptors_);
  command_end_.emplace(io_, command_->descriptor(), "--run", [this] { command_ended(); });
}

void Supervision::ready(const std::vector<std::string>& addresses) {
  if (starter_.ready != nullptr)
    if (const int error = starter_.ready->tell(addresses); error != 0)
      log_.logger()->warn("--ready-fd: cannot tell that the server is ready: {}", std::strerror(error));
  untold_ = "READY=1\n";
  next_sign_of_life_ = Timer::Clock::now();
  tick();
}

void Supervision::command_ended() {
  command_end_.reset();
  command_status_ = command_->status();
  const bool first = !std::exchange(is_stopping_, true);
  if (first) hooks_.stop("the command has ended");
  hooks_.command_over();
}

void Supervision::stopping() {
  is_stopping_ = true;
  if (command_runs()) command_->end(SIGTERM);
  untold_ += "STOPPING=1\n";
  tick();
}

void Supervision::kill_command() noexcept {
  if (command_runs()) command_->end(SIGKILL);
}

void Supervision::leave() noexcept {
  kill_command();
  starter_.private_folder.reset();
}

// Once a second, and for signs of life twice in the time that they may take.
void Supervision::tick() {
  if (starter_.service_manager == nullptr) return;
  const auto now = Timer::Clock::now();
  Timer::Clock::duration pause = between_ticks;
  bool alive = false;
  if (starter_.watchdog.count() != 0) {
    alive = now >= next_sign_of_life_;
    if (alive) next_sign_of_life_ = now + std::max(starter_.watchdog / 2, shortest_pause);
    pause = std::min(pause, next_sign_of_life_ - now);
  }
  tell_service_manager(alive);
  timer_.set(now + pause);
}

// What a busy service manager has no room for is told at the next tick.
void Supervision::tell_service_manager(bool alive) {
  std::string text = untold_;
  const std::string status = (is_stopping_ ? "stopping: " : "") + hooks_.status();
  if (status != last_status_) text += "STATUS=" + status + "\n";
  if (alive) text += "WATCHDOG=1\n";
  const int error = text.empty() ? 0 : starter_.service_manager->send(text);
  if (error == EAGAIN || error == ENOBUFS) return;
  untold_.clear();
  last_status_ = status;
  if (error == 0 || std::exchange(complained_, true)) return;
  log_.logger()->warn("NOTIFY_SOCKET: the service manager cannot be told: {}", std::strerror(error));
}

}  // namespace ashlar::host
