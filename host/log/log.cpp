// The only includer of spdlog's sinks.
#include "log/log.hpp"

#include <spdlog/details/os.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <mutex>

#include "log/level.hpp"

namespace ashlar::host {
namespace {

constexpr char name[] = "ashlar";

bool on_colour_terminal() {
  return spdlog::details::os::in_terminal(stderr) && spdlog::details::os::is_color_terminal();
}

// The escape sequence of a level's colour: those of spdlog's own sinks.
const char* colour(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "\033[37m";
    case spdlog::level::debug: return "\033[36m";
    case spdlog::level::info: return "\033[32m";
    case spdlog::level::warn: return "\033[33m\033[1m";
    default: return "\033[31m\033[1m";
  }
}
constexpr char colour_reset[] = "\033[m";

std::string line_of(spdlog::formatter& formatter, const spdlog::details::log_msg& message, bool coloured) {
  spdlog::memory_buf_t buffer;
  formatter.format(message, buffer);
  std::string line(buffer.data(), buffer.size());
  if (coloured && message.color_range_end > message.color_range_start) {
    line.insert(message.color_range_end, colour_reset);
    line.insert(message.color_range_start, colour(message.level));
  }
  return line;
}

// Makes the lines that tell of missing ones, in the form of all others.
class MissingLines {
 public:
  MissingLines(const LineStyle& style, bool coloured) : formatter_(make_formatter(style)), coloured_(coloured) {}
  std::string operator()(std::uint64_t count, int error) const {
    std::string text = std::to_string(count) + (count == 1 ? " log line was" : " log lines were") + " dropped: ";
    if (error == 0) text += "standard error was not read fast enough";
    else text += std::string("cannot write to standard error: ") + std::strerror(error);
    return line_of(*formatter_, spdlog::details::log_msg(name, spdlog::level::warn, text), coloured_);
  }

 private:
  std::shared_ptr<spdlog::formatter> formatter_;  // shared, because std::function wants to be copied
  bool coloured_;
};

class QueueSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  QueueSink(std::shared_ptr<LineWriter> writer, bool coloured) : writer_(std::move(writer)), coloured_(coloured) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    writer_->add(line_of(*formatter_, message, coloured_), message.level >= spdlog::level::warn);
  }
  void flush_() override {}  // Log::flush() waits; this must not

  std::shared_ptr<LineWriter> writer_;
  bool coloured_;
};

}  // namespace

Log::Log(LogLevel level, const LineStyle& style) {
  const bool coloured = style.format == LogFormat::text && !style.journal && on_colour_terminal();
  writer_ = std::make_shared<LineWriter>(STDERR_FILENO, MissingLines(style, coloured));
  logger_ = std::make_shared<spdlog::logger>(name, std::make_shared<QueueSink>(writer_, coloured));
  logger_->set_level(to_spdlog(level));
  logger_->set_formatter(make_formatter(style));
  logger_->set_error_handler([](const std::string&) {});  // only memory can fail, and then there is no way to say so
}

Log::~Log() {
  flush();
  writer_->give_up();
}

}  // namespace ashlar::host
