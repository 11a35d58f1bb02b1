// `ashlar trace …`: answers from what the filter trace has written. Each word behind it is a command of its own, with
// a file of its own.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "cli/syntax.hpp"

namespace ashlar::host {

// Runs what stands behind "ashlar trace". Returns the exit code: 0; 1: a bad file, a difference found, and the like; 2:
// usage, or a trace that cannot serve. Whatever is thrown has been told on `err`.
int trace_command(const std::vector<std::string>& words, std::ostream& out, std::ostream& err);

// What each of them takes.
std::vector<Syntax> trace_syntaxes();

}  // namespace ashlar::host
