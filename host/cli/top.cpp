// `ashlar top`: a running server's exports and clients, live.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "cli/ask_server.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::chrono::seconds between{1};
volatile std::sig_atomic_t interrupted = 0;

// What a row of the table showed last.
struct Seen {
  std::map<std::string, std::uint64_t> ops;
  std::uint64_t bytes = 0;
};

std::uint64_t number(const json::value& value) { return value.to_number<std::uint64_t>(); }

std::string size_text(double bytes) {
  const char* unit = "B";
  for (const char* larger : {"K", "M", "G", "T"}) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = larger;
  }
  char text[32];
  std::snprintf(text, sizeof text, bytes < 10 && *unit != 'B' ? "%.1f%s" : "%.0f%s", bytes, unit);
  return text;
}

// At most five letters.
std::string count_text(double count) {
  char text[32];
  if (count < 99'999.5) std::snprintf(text, sizeof text, "%.0f", count);
  else if (count < 9'999'500) std::snprintf(text, sizeof text, "%.0fk", count / 1e3);
  else std::snprintf(text, sizeof text, "%.0fM", count / 1e6);
  return text;
}

bool goes_on(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }  // within a letter of UTF-8

std::size_t letters(const std::string& text) {
  return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), goes_on));
}

// Its first `most` letters.
std::string cut(const std::string& text, std::size_t most) {
  std::size_t end = 0;
  for (std::size_t left = most; end < text.size(); ++end)
    if (!goes_on(text[end]) && left-- == 0) break;
  return text.substr(0, end);
}

constexpr std::array ops_shown{"read", "write", "flush", "trim", "zero", "other"};
const std::vector<std::string> titles{"EXPORT, CLIENT", "READ/s",  "WRITE/s", "FLUSH/s", "TRIM/s", "ZERO/s",
                                      "OTHER/s",        "BYTES/s", "FLIGHT",  "ERRORS",  "MEMORY"};
constexpr std::size_t cell_width = 8, least_title = 20, most_title = 40;

// A table that is made anew each second.
class Screen {
 public:
  explicit Screen(std::ostream& out) : out_(out), terminal_(::isatty(STDOUT_FILENO) != 0) {}
  ~Screen() {
    if (terminal_) out_ << "\x1b[?25h" << std::flush;
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(const json::object& status, double seconds) {
    add_head(status);
    rows_.assign(1, titles);
    for (const json::value& one : status.at("exports").as_array()) add_export(one.as_object(), seconds);
    std::erase_if(seen_, [this](const auto& row) { return !shown_.contains(row.first); });
    shown_.clear();
    print();
  }

 private:
  void add_head(const json::object& status) {
    char line[160];
    const auto up = static_cast<std::uint64_t>(status.at("uptime").to_number<double>());
    std::snprintf(line, sizeof line, "ashlar %s  up %llu:%02llu:%02llu  %llu connections%s",
                  status.at("version").as_string().c_str(), static_cast<unsigned long long>(up / 3600),
                  static_cast<unsigned long long>(up / 60 % 60), static_cast<unsigned long long>(up % 60),
                  static_cast<unsigned long long>(number(status.at("connections"))),
                  status.at("draining").as_bool() ? "  draining" : "");
    head_ = line;
  }
  void add_export(const json::object& one, double seconds) {
    const std::string name(one.at("name").as_string());
    std::uint64_t memory = 0;
    for (const json::value& client : one.at("clients").as_array()) memory += number(client.at("memory"));
    add_row(one_line(name.empty() ? "(default)" : name), "e" + name, one, memory, seconds);
    for (const json::value& value : one.at("clients").as_array()) {
      const json::object& client = value.as_object();
      const std::string id = std::to_string(number(client.at("id")));
      const std::string who = client.contains("address") ? std::string(client.at("address").as_string())
                              : client.contains("pid")
                                  ? "pid " + std::to_string(client.at("pid").to_number<std::int64_t>())
                                  : "";
      add_row("  " + id + " " + who, "c" + id, client, number(client.at("memory")), seconds);
    }
  }
  void add_row(const std::string& title, const std::string& key, const json::object& of, std::uint64_t memory,
               double seconds) {
    const bool is_new = !seen_.contains(key);
    Seen& before = seen_[key];
    const auto rate = [&](std::uint64_t now, std::uint64_t& last) {
      const double per_second = is_new ? 0 : static_cast<double>(now - std::min(now, last)) / seconds;
      last = now;
      return per_second;
    };
    std::map<std::string, double> rates;
    for (const auto& [op, value] : of.at("ops").as_object()) {
      const bool has_column = std::find(ops_shown.begin(), ops_shown.end(), op) != ops_shown.end();
      rates[has_column ? std::string(op) : "other"] += rate(number(value), before.ops[op]);
    }
    std::vector<std::string> cells{title};
    for (const char* op : ops_shown) cells.push_back(count_text(rates[op]));
    cells.push_back(size_text(rate(number(of.at("bytes")), before.bytes)));
    cells.push_back(std::to_string(number(of.at("in_flight"))));
    cells.push_back(std::to_string(number(of.at("errors"))));
    cells.push_back(size_text(static_cast<double>(memory)));
    shown_[key] = true;
    rows_.push_back(std::move(cells));
  }
  // As many columns as have room beside the titles.
  void print() {
    winsize size{};
    if (!terminal_ || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 5 || size.ws_col == 0)
      size = {.ws_row = 0, .ws_col = 132, .ws_xpixel = 0, .ws_ypixel = 0};
    const std::size_t width = size.ws_col;
    const std::size_t columns = std::min(rows_.front().size() - 1, (width - std::min(width, least_title)) / cell_width);
    const std::size_t for_title = std::min(most_title, width - std::min(width, columns * cell_width));
    const std::size_t head = 2;
    const bool all = size.ws_row == 0 || rows_.size() + head < size.ws_row;
    const std::size_t shown = all ? rows_.size() : size.ws_row - head - 2u;
    if (terminal_) out_ << "\x1b[?25l\x1b[H\x1b[2J";
    out_ << cut(head_, width) << "\n\n";
    for (std::size_t i = 0; i < shown; ++i) {
      const bool title = terminal_ && i == 0;
      out_ << (title ? "\x1b[7m" : "") << line(rows_[i], for_title, columns) << (title ? "\x1b[0m" : "") << "\n";
    }
    if (!all) out_ << cut("… " + std::to_string(rows_.size() - shown) + " more", width) << "\n";
    out_ << std::flush;
  }
  static std::string line(const std::vector<std::string>& cells, std::size_t for_title, std::size_t columns) {
    std::string text = cut(cells.front(), for_title);
    text.append(for_title - letters(text), ' ');
    for (std::size_t i = 1; i <= columns; ++i)
      text.append(cell_width - std::min(cell_width, cells[i].size()), ' ') += cells[i];
    return text;
  }

  std::ostream& out_;
  const bool terminal_;
  std::string head_;
  std::vector<std::vector<std::string>> rows_;  // the first: the columns' titles
  std::map<std::string, Seen> seen_;
  std::map<std::string, bool> shown_;
};

}  // namespace

// On a terminal until Ctrl-C; elsewhere twice, so that there are rates, and then it ends.
int top_command(const CommandOptions& options, Streams streams) {
  ControlClient server = server_of(options);
  struct sigaction act {};
  act.sa_handler = [](int) { interrupted = 1; };
  act.sa_flags = static_cast<int>(SA_RESETHAND);  // a second one ends a command that waits for the server
  ::sigaction(SIGINT, &act, nullptr);
  ::sigaction(SIGTERM, &act, nullptr);
  Screen screen(streams.out);
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  auto last = std::chrono::steady_clock::now();
  for (int round = 0; interrupted == 0 && (terminal || round < 2); ++round) {
    const auto answer = server.ask({{"command", "status"}}, interrupted);
    if (!answer) break;
    if (const int code = code_of(*answer, streams); code != exit_ok) return code;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::max(std::chrono::duration<double>(now - last).count(), 0.001);
    last = now;
    server.reading([&] { screen.show(answer->at("status").as_object(), seconds); });
    if (terminal || round == 0) std::this_thread::sleep_for(between);
  }
  return exit_ok;
}

}  // namespace ashlar::host
