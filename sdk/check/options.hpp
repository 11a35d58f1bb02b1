// Options: the command line of ashlar-check.
#pragma once
#include <ashlar/testing/values.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ashlar::check {

struct Options {
  std::string file;      // absolute
  testing::Given given;  // the module's parameters
  bool write = false;    // a plugin's data may be overwritten
  bool json = false;
  bool verbose = false;     // the module's log goes to stderr
  bool in_process = false;  // the checks run in this process
  bool help = false;
  std::string only;  // patterns (glob(7)) of the names of the checks to run, with commas between; empty: all
  std::uint64_t seed = 1;
  std::chrono::seconds time{60};  // that all checks together may take
  // Of the module's parameters those values that are not printed; known when it has been loaded.
  std::vector<std::string> secrets = {};
};

// What --help prints.
std::string usage();

// Throws std::invalid_argument.
Options parse_options(int argc, char** argv);

}  // namespace ashlar::check
