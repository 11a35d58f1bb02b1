#include "trace/output.hpp"

#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "config/text.hpp"

namespace ashlar::host::traces {

Output::Output(const std::string& path, std::ostream& out)
    : path_(path), to_stdout_(&out == &std::cout ? &stdout_ : out.rdbuf()) {
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
  if (stream().flush()) {
    closed_ = true;
    return;
  }
  Interrupt::check();
  throw std::runtime_error("cannot write to " + (path_.empty() ? "stdout" : in_quotes(path_)));
}

void add_output(CLI::App& app, std::string& path) {
  app.add_option("-o,--output", path, "Write to this file instead of stdout")->type_name("FILE");
}

void Told::prints_to(const std::string& path) {
  if (path.empty() && ::isatty(STDOUT_FILENO) != 0) progress_.keep_quiet();
}

void Told::read(std::uint64_t bytes) {
  Interrupt::check();
  read_ += bytes;
  progress_.tell(read_ >> 20, 0);
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
