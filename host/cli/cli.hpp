// The command line: serve, check, list, inspect, probe, new, certs.
#pragma once
#include <ostream>
#include <string>
#include <vector>

namespace ashlar::host {

// Runs the command that `args` (without the program's name) ask for: results to `out`, one line per mistake to `err`.
// Returns the exit code: 0; 1: a failure at run time; 2: a mistake on the command line or in the config. Throws
// nothing.
int run(std::vector<std::string> args, std::ostream& out, std::ostream& err) noexcept;

// To be called first in the process. Ignores signals (signal(7)) that would end it: SIGPIPE and SIGXFSZ, so that a
// reader who has gone and a write beyond `ulimit -f` are errors like any other (EPIPE, EFBIG), and SIGUSR1 and SIGUSR2,
// which mean nothing here. Blocks no signal, whatever who started it has blocked: a server would not hear SIGTERM.
// Opens /dev/null for each standard stream that is closed, so that no disk or socket gets its number and is printed
// into. False: that failed, which has been said where it could, and nothing else may be opened.
[[nodiscard]] bool prepare_process() noexcept;

// From now on a stdout that was closed takes what is printed, which goes nowhere: for commands that this process
// starts.
void let_commands_print() noexcept;

}  // namespace ashlar::host
