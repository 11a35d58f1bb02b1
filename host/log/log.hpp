// Log: the host's log, to standard error. Formatting happens only for levels that are on, in the thread that logs;
// writing happens in a thread of the log's own.
#pragma once
#include <spdlog/logger.h>

#include <chrono>
#include <memory>

#include "config/config.hpp"
#include "log/line_style.hpp"
#include "log/line_writer.hpp"

namespace ashlar::host {

// Made by a command that needs it; there is one in a process.
class Log {
 public:
  // How long a log that nobody reads may hold up the start or the end of the process.
  static constexpr std::chrono::milliseconds patience{1000};

  // Throws std::system_error when no thread can be had.
  explicit Log(LogLevel level, const LineStyle& style = {});
  // As flush(). What is not written then is lost, as are lines that a thread which was left behind
  // still logs; a write that hangs is left to itself.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // For everyone who logs. Logging never waits for standard error to be read: when more is logged than is read, lines
  // are dropped, and a line tells how many.
  const std::shared_ptr<spdlog::logger>& logger() const { return logger_; }

  // Waits until what was logged before is written, but at most for `most`; call it before _exit(), which does not run
  // the destructor. Returns whether it is written. May be called again. [any thread]
  bool flush(std::chrono::milliseconds most = patience) noexcept { return writer_->flush(most); }

 private:
  std::shared_ptr<LineWriter> writer_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace ashlar::host
