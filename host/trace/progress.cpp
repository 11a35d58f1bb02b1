#include "trace/progress.hpp"

#include <unistd.h>

#include <iostream>
#include <utility>

namespace ashlar::host::traces {

Progress::Progress(std::ostream& err, std::string what, std::string units)
    : err_(err),
      what_(std::move(what)),
      units_(std::move(units)),
      terminal_(&err == &std::cerr && ::isatty(STDERR_FILENO) != 0),
      next_(Clock::now() + std::chrono::seconds(1)) {}

void Progress::tell(std::uint64_t done, std::uint64_t all) {
  if (!terminal_ || Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::milliseconds(200);
  shown_ = true;
  err_ << "\r\033[K" << what_ << ": " << done << (all != 0 ? " of " + std::to_string(all) : "") << " " << units_
       << std::flush;
}

void Progress::clear() {
  if (shown_) err_ << "\r\033[K" << std::flush;
  shown_ = false;
}

}  // namespace ashlar::host::traces
