// `ashlar top`: a running server's exports and clients, live.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <thread>

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
    lines_.clear();
    add_head(status);
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
    lines_.push_back(line);
    lines_.emplace_back();
    lines_.push_back(row("EXPORT, CLIENT", "READ/s", "WRITE/s", "OTHER/s", "BYTES/s", "FLIGHT", "MEMORY", "ERRORS"));
    title_ = lines_.size() - 1;
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
    double read = 0, written = 0, other = 0;
    for (const auto& [op, value] : of.at("ops").as_object()) {
      const std::uint64_t now = number(value);
      const double rate = is_new ? 0 : static_cast<double>(now - std::min(now, before.ops[op])) / seconds;
      (op == "read" ? read : op == "write" ? written : other) += rate;
      before.ops[op] = now;
    }
    const std::uint64_t bytes = number(of.at("bytes"));
    const double moved = is_new ? 0 : static_cast<double>(bytes - std::min(bytes, before.bytes)) / seconds;
    before.bytes = bytes;
    shown_[key] = true;
    const auto whole = [](double value) { return std::to_string(static_cast<std::uint64_t>(value + 0.5)); };
    lines_.push_back(row(title, whole(read), whole(written), whole(other), size_text(moved),
                         std::to_string(number(of.at("in_flight"))), size_text(static_cast<double>(memory)),
                         std::to_string(number(of.at("errors")))));
  }
  static std::string row(const std::string& title, const std::string& a, const std::string& b, const std::string& c,
                         const std::string& d, const std::string& e, const std::string& f, const std::string& g) {
    char line[256];
    std::snprintf(line, sizeof line, "%-32.32s %9s %9s %9s %9s %7s %8s %7s", title.c_str(), a.c_str(), b.c_str(),
                  c.c_str(), d.c_str(), e.c_str(), f.c_str(), g.c_str());
    return line;
  }
  void print() {
    std::size_t most = lines_.size();
    winsize size{};
    if (terminal_ && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 1)
      most = std::min<std::size_t>(most, size.ws_row - 1u);
    if (terminal_) out_ << "\x1b[?25l\x1b[H\x1b[2J";
    for (std::size_t i = 0; i < most; ++i) {
      const bool bold = terminal_ && i == title_;
      out_ << (bold ? "\x1b[7m" : "") << lines_[i] << (bold ? "\x1b[0m" : "") << "\n";
    }
    out_ << std::flush;
  }

  std::ostream& out_;
  const bool terminal_;
  std::vector<std::string> lines_;
  std::size_t title_ = 0;
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
    const json::object answer = server.ask({{"command", "status"}});
    if (const int code = code_of(answer, streams); code != exit_ok) return code;
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::max(std::chrono::duration<double>(now - last).count(), 0.001);
    last = now;
    screen.show(answer.at("status").as_object(), seconds);
    if (terminal || round == 0) std::this_thread::sleep_for(between);
  }
  return exit_ok;
}

}  // namespace ashlar::host
