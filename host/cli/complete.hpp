// What could stand next in a command line, for shells.
#pragma once
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/syntax.hpp"

namespace ashlar::host {

// `ashlar complete WORD...`: prints what the last of `words`, which stand behind "ashlar", could become: a line each of
// WORD, a tab and what it means. Where a file or folder may stand there, too, a line is ":files" or ":folders". A word
// that ends in ':', '/', '=' or ',' goes on behind it. `commands` are all that there are. Prints nothing rather than a
// mistake. Of a running server that does not answer, the process ends by SIGALRM after a second.
int complete_command(const std::vector<Syntax>& commands, const std::vector<std::string>& words, Streams streams);

// `ashlar completion SHELL`: prints what a shell is to read so that it asks `ashlar complete`. Throws UsageError.
int completion_command(const std::string& shell, Streams streams);

}  // namespace ashlar::host
