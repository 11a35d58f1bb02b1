// What every command has, those of other folders too: an exit code, mistakes, and where it prints.
#pragma once
#include <ostream>
#include <stdexcept>

namespace ashlar::host {

enum ExitCode : int { exit_ok = 0, exit_failure = 1, exit_usage = 2 };

// A mistake on the command line, or something that cannot serve for the command; the text says why and what to do.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Streams {
  std::ostream& out;
  std::ostream& err;
};

}  // namespace ashlar::host
