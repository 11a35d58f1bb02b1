#include "trace/output.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "config/text.hpp"

namespace ashlar::host::traces {
namespace {

[[noreturn]] void fail(const std::string& path, int error) {
  throw std::runtime_error("cannot write to " + in_quotes(path) + ": " + std::strerror(error));
}

// Makes an empty file of a name of its own in the same folder.
std::string make_beside(const std::string& path) {
  const std::string name = path + "." + std::to_string(::getpid()) + ".part";
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) fail(path, errno);
  ::close(fd);
  return name;
}

}  // namespace

Output::Output(const std::string& path, std::ostream& out, const std::vector<std::string>& inputs)
    : path_(path), to_stdout_(&out == &std::cout ? &stdout_ : out.rdbuf()) {
  if (path.empty()) return;
  std::error_code error;
  for (const std::string& input : inputs)
    if (std::filesystem::equivalent(path, input, error))
      throw UsageError("-o: " + in_quotes(path) + " is the trace that is read: name another file");
  const auto status = std::filesystem::status(path, error);
  const bool is_file = !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
  if (is_file) made_ = make_beside(target());
  file_.open(is_file ? made_ : path, std::ios::binary | std::ios::trunc);
  if (!file_) fail(path, errno);
  if (std::filesystem::exists(status) && is_file) std::filesystem::permissions(made_, status.permissions(), error);
}

Output::~Output() {
  if (!made_.empty()) ::unlink(made_.c_str());
}

// A symbolic link stays one.
std::string Output::target() const {
  std::error_code error;
  const auto real = std::filesystem::canonical(path_, error);
  return error ? path_ : real.string();
}

void Output::close() {
  if (stream().flush()) {
    if (made_.empty()) return;
    if (::rename(made_.c_str(), target().c_str()) != 0) fail(path_, errno);
    made_.clear();
    return;
  }
  Interrupt::check();
  if (path_.empty() && stdout_.reader_left()) return;
  const int error = path_.empty() ? stdout_.error() : error_of_file();
  throw std::runtime_error("cannot write to " + (path_.empty() ? "stdout" : in_quotes(path_)) +
                           (error != 0 ? std::string(": ") + std::strerror(error) : ""));
}

// The stream has kept no reason: it is made to fail once more.
int Output::error_of_file() {
  file_.clear();
  errno = 0;
  file_.put('\n').flush();
  return file_ ? 0 : errno;
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

void tell_dropped(std::ostream& err, const std::string& command, const trace::Completeness& whole) {
  if (whole.dropped != 0)
    err << "ashlar: trace: " << command << ": " << whole.dropped << " requests were dropped and have no record\n"
        << std::flush;
}

}  // namespace ashlar::host::traces
