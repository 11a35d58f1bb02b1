// Check: the user's command, which tells whether an image is good.
#pragma once
#include <string>

namespace ashlar::host::traces {

struct Checked {
  bool good = false;
  std::string how;      // "ended with exit code 4", "was killed by signal 9"
  std::string output;   // the end of what it printed, at most 4 KiB
  bool is_cut = false;  // it printed more
};

// Runs `sh -c command` with the image's path as $image. Throws Interrupted, UsageError when there is no such command,
// and std::system_error.
Checked check_image(const std::string& command, const std::string& image);

}  // namespace ashlar::host::traces
