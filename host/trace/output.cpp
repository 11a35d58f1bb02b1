#include "trace/output.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "config/text.hpp"

namespace ashlar::host::traces {

Output::Output(const std::string& path, std::ostream& out) : path_(path), out_(out) {
  if (path.empty()) return;
  file_.open(path, std::ios::binary | std::ios::trunc);
  if (!file_) throw std::runtime_error("cannot write to " + in_quotes(path) + ": " + std::strerror(errno));
}

Output::~Output() {
  std::error_code error;
  if (path_.empty() || closed_ || !file_.is_open() || !std::filesystem::is_regular_file(path_, error)) return;
  std::filesystem::remove(path_, error);
}

void Output::close() {
  if (!stream().flush()) throw std::runtime_error("cannot write to " + (path_.empty() ? "stdout" : in_quotes(path_)));
  closed_ = true;
}

void add_output(CLI::App& app, std::string& path) {
  app.add_option("-o,--output", path, "Write to this file instead of stdout")->type_name("FILE");
}

Told::Told(std::ostream& err) : err_(err), terminal_(&err == &std::cerr && ::isatty(STDERR_FILENO) != 0) {}

void Told::prints_to(const std::string& path) {
  if (path.empty() && ::isatty(STDOUT_FILENO) != 0) terminal_ = false;
}

void Told::clear() {
  if (shown_) err_ << "\r\033[K" << std::flush;
  shown_ = false;
}

void Told::read(std::uint64_t bytes) {
  using namespace std::chrono_literals;
  Interrupt::check();
  read_ += bytes;
  if (!terminal_) return;
  const auto now = Clock::now();
  if (now - begun_ < 1s || now - shown_at_ < 200ms) return;
  shown_at_ = now;
  shown_ = true;
  err_ << "\r\033[K" << (read_ >> 20) << " MiB read in " << (now - begun_) / 1s << " s" << std::flush;
}

void Told::problem(const std::string& text) {
  constexpr std::size_t most = 100;
  if (++problems_ > most) return;
  clear();
  err_ << "ashlar: trace: " + one_line(text) + "\n";
  if (problems_ == most) err_ << "ashlar: trace: what else is wrong is not told\n";
  err_ << std::flush;
}

}  // namespace ashlar::host::traces
