// Where a command's answer goes, and what it tells beside it.
#pragma once
#include <unistd.h>

#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "format/record.hpp"
#include "trace/interrupt.hpp"
#include "trace/interruptible_buffer.hpp"
#include "trace/progress.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

// stdout, or the file of -o. A file takes the place of one that is there when it is closed, and not before: what is not
// closed goes, and there is no half of a file.
class Output {
 public:
  // `path`: empty: stdout. `inputs`: files that are read and must not be written over. Throws UsageError when `path` is
  // one of them, std::runtime_error when the file cannot be made.
  Output(const std::string& path, std::ostream& out, const std::vector<std::string>& inputs = {});
  ~Output();
  std::ostream& stream() { return path_.empty() ? to_stdout_ : file_; }
  // Throws std::runtime_error when not all could be written, Interrupted when nobody took it until an Interrupt came.
  // At the end. When whoever reads stdout wants no more, all has been written.
  void close();

 private:
  std::string target() const;
  int error_of_file();

  const std::string path_;
  std::string made_;  // what is renamed to it at the end; empty: it is no regular file, and is written to
  InterruptibleBuffer stdout_{STDOUT_FILENO};
  std::ostream to_stdout_;
  std::ofstream file_;
};

// Adds -o FILE to a command.
void add_output(CLI::App& app, std::string& path);

// Tells problems on stderr, the first hundred; on a terminal also how much has been read, when it takes long. Reading
// ends with Interrupted when somebody wants an end.
class Told : public trace::Listener {
 public:
  explicit Told(std::ostream& err) : err_(err), progress_(err, "reading", "MiB") {}
  void problem(const std::string& text) override;
  void read(std::uint64_t bytes) override;
  bool any() const { return problems_ != 0; }
  // Of a command that prints while it reads: nothing is said of its progress where that is printed. `path`: as
  // Output().
  void prints_to(const std::string& path);
  // Takes away what it says of its progress. Before anything else is told there.
  void clear() { progress_.clear(); }

 private:
  std::ostream& err_;
  const Interrupt interrupt_;
  Progress progress_;
  std::uint64_t read_ = 0;  // bytes
  std::size_t problems_ = 0;
};

// Says on `err`, in the name of the command, that requests have no record.
void tell_dropped(std::ostream& err, const std::string& command, const trace::Completeness& whole);

}  // namespace ashlar::host::traces
