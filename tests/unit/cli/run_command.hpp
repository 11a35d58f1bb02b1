// Runs the command line within the test.
#pragma once
#include <sstream>
#include <string>
#include <vector>

#include "cli/cli.hpp"

struct Outcome {
  int code;
  std::string out, err;
};

inline Outcome run_command(std::vector<std::string> args) {
  std::ostringstream out, err;
  const int code = ashlar::host::run(std::move(args), out, err);
  return {code, out.str(), err.str()};
}
