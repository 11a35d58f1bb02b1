#include "trace/output.hpp"

#include <cerrno>
#include <cstring>

#include "config/text.hpp"

namespace ashlar::host::traces {

Output::Output(const std::string& path, std::ostream& out) : path_(path), out_(out) {
  if (path.empty()) return;
  file_.open(path, std::ios::binary | std::ios::trunc);
  if (!file_) throw std::runtime_error("cannot write to " + in_quotes(path) + ": " + std::strerror(errno));
}

void Output::close() {
  if (!stream().flush()) throw std::runtime_error("cannot write to " + (path_.empty() ? "stdout" : in_quotes(path_)));
}

void add_output(CLI::App& app, std::string& path) {
  app.add_option("-o,--output", path, "Write to this file instead of stdout")->type_name("FILE");
}

void Told::problem(const std::string& text) {
  constexpr std::size_t most = 100;
  if (++problems_ > most) return;
  err_ << "ashlar: trace: " + one_line(text) + "\n";
  if (problems_ == most) err_ << "ashlar: trace: what else is wrong is not told\n";
  err_ << std::flush;
}

}  // namespace ashlar::host::traces
