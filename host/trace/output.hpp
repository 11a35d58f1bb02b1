// Where a command's answer goes, and what it tells beside it.
#pragma once
#include <fstream>
#include <ostream>
#include <string>

#include "format/record.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

// stdout, or the file of -o.
class Output {
 public:
  // `path`: empty: stdout. Throws std::runtime_error when the file cannot be made.
  Output(const std::string& path, std::ostream& out);
  std::ostream& stream() { return path_.empty() ? out_ : file_; }
  // Throws std::runtime_error when not all could be written. At the end.
  void close();

 private:
  const std::string path_;
  std::ostream& out_;
  std::ofstream file_;
};

// Adds -o FILE to a command.
void add_output(CLI::App& app, std::string& path);

// Tells problems on stderr, the first hundred.
class Told : public trace::Listener {
 public:
  explicit Told(std::ostream& err) : err_(err) {}
  void problem(const std::string& text) override;
  bool any() const { return problems_ != 0; }

 private:
  std::ostream& err_;
  std::size_t problems_ = 0;
};

}  // namespace ashlar::host::traces
