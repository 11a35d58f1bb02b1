#include "log/line_style.hpp"

#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <string_view>

#include "config/text.hpp"
#include "protocol/text.hpp"

namespace ashlar::host {
namespace {

using spdlog::details::log_msg;

void append(spdlog::memory_buf_t& out, std::string_view text) { out.append(text.data(), text.data() + text.size()); }

// As syslog has them. (syslog(3))
const char* priority(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return "<7>";
    case spdlog::level::info: return "<6>";
    case spdlog::level::warn: return "<4>";
    default: return "<3>";
  }
}

// As the config has it.
const char* level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "trace";
    case spdlog::level::debug: return "debug";
    case spdlog::level::info: return "info";
    case spdlog::level::warn: return "warn";
    default: return "error";
  }
}

// RFC 3339, in UTC.
std::string time_text(spdlog::log_clock::time_point when) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(when.time_since_epoch());
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(since).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 48> date{};
  std::array<char, 64> all{};
  std::strftime(date.data(), date.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(all.data(), all.size(), "%s.%03dZ", date.data(), static_cast<int>(since.count() - seconds * 1000));
  return all.data();
}

// `text` as the inside of a JSON string: of bytes that are no UTF-8, each becomes U+FFFD. (RFC 8259)
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : protocol::to_text(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out += '\\';
    if (byte >= 0x20) {
      out += c;
      continue;
    }
    std::array<char, 8> escaped{};
    std::snprintf(escaped.data(), escaped.size(), "\\u%04x", byte);
    out += escaped.data();
  }
  return out += '"';
}

std::string pattern_of(const LineStyle& style) {
  std::string name;
  for (const char c : style.name) name += c == '%' ? std::string("%%") : std::string(1, c);
  return std::string(style.journal ? "" : "%Y-%m-%d %H:%M:%S.%e ") + "%^%l%$ " + (name.empty() ? "" : name + ": ") +
         "%v";
}

class Formatter final : public spdlog::formatter {
 public:
  explicit Formatter(const LineStyle& style) : style_(style), text_(pattern_of(style)) {}

  void format(const log_msg& message, spdlog::memory_buf_t& out) override {
    if (style_.journal) append(out, priority(message.level));
    if (style_.format == LogFormat::text) return format_text(message, out);
    append(out, "{\"time\": \"" + time_text(message.time) + "\", \"level\": \"" + level_name(message.level) + "\"");
    if (!style_.name.empty()) append(out, ", \"name\": " + json_string(style_.name));
    append(out, ", \"message\": " + json_string({message.payload.data(), message.payload.size()}) + "}\n");
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<Formatter>(style_); }

 private:
  // A message may have what a client, a file's name or a module has put into it, and is one line all the same.
  void format_text(const log_msg& message, spdlog::memory_buf_t& out) {
    const std::string text = one_line({message.payload.data(), message.payload.size()});
    log_msg line = message;
    line.payload = text;
    text_.format(line, out);
    message.color_range_start = line.color_range_start;  // for a terminal
    message.color_range_end = line.color_range_end;
  }

  const LineStyle style_;
  spdlog::pattern_formatter text_;
};

}  // namespace

std::unique_ptr<spdlog::formatter> make_formatter(const LineStyle& style) { return std::make_unique<Formatter>(style); }

bool is_journal(const char* text, int descriptor) {
  struct stat status {};
  if (text == nullptr || ::fstat(descriptor, &status) != 0) return false;
  return text == std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

}  // namespace ashlar::host
