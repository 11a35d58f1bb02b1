// The commands behind `ashlar trace`, and what they share of a command line.
#pragma once
#include <string>
#include <vector>

#include "cli/command.hpp"

namespace CLI {  // see cli/syntax.hpp
class App;
}

namespace ashlar::host::traces {

using Words = std::vector<std::string>;

// Each parses its words, see parse(), and returns the exit code. They throw UsageError, trace::TraceError for a bad
// file, and other exceptions for what fails otherwise.
int crash_command(const Words& words, Streams streams);
int diff_command(const Words& words, Streams streams);
int export_command(const Words& words, Streams streams);
int prefetch_command(const Words& words, Streams streams);
int replay_command(const Words& words, Streams streams);
int report_command(const Words& words, Streams streams);
int show_command(const Words& words, Streams streams);
int top_command(const Words& words, Streams streams);

struct Subcommand {
  const char* name;
  const char* help;
  int (*run)(const Words& words, Streams streams);
};
inline constexpr Subcommand subcommands[] = {
    {"crash", "Whether the disk would have been good after a power cut", &crash_command},
    {"diff", "What became slower from one trace to another, and how surely", &diff_command},
    {"export", "The trace in the format of another tool", &export_command},
    {"prefetch", "What was read first, in order: a list for a cache", &prefetch_command},
    {"replay", "Asks a server again what was asked, and compares", &replay_command},
    {"report", "What was asked, how long it took, and what could be better", &report_command},
    {"show", "A line for each request", &show_command},
    {"top", "What happens now, of a trace that is being written", &top_command},
};

// False: only help was asked for, and has been printed. Throws UsageError; and the command's Syntax when that is what
// trace_syntaxes() asks for.
bool parse(CLI::App& app, const Words& words, Streams streams);

// What is wrong with a text that is to be a whole number of 0 or more; empty: nothing. For an option's check(), as
// CLI11 takes -1 for a large one.
std::string whole_number(const std::string& text);

}  // namespace ashlar::host::traces
