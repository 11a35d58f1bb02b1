// What a command takes, as data: for mistakes on the command line, shell completion and the manual.
#pragma once
#include <string>
#include <vector>

#include "cli/json.hpp"

// CLI11's header takes 6 s to compile, so that only who describes a command line includes it.
namespace CLI {
class App;
}

namespace ashlar::host {

struct Syntax {
  struct Option {
    std::vector<std::string> names;  // "-v", "--verbose"
    std::string value;               // its value in words, "ADDR"; empty: takes none
    std::string help = {};
    bool required = false;
  };
  std::string command;                // "serve", "trace report"
  std::vector<std::string> operands;  // in words, "FILE"
  std::size_t optional = 0;           // how many of the last operands may be left out
  bool last_repeats = false;          // the last operand may be given again and again
  std::vector<Option> options;
  std::string help = {};
  std::vector<std::string> operand_help = {};  // of each of `operands`
};

// Of one command, as CLI11 has it.
Syntax syntax_of(const CLI::App& command);

// As `ashlar help --json` prints it.
json::object to_json(const Syntax& syntax);

}  // namespace ashlar::host
