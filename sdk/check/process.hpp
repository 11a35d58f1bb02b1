// Process: what a module may change of the process, which is the host's and not its own.
#pragma once
#include <map>
#include <string>

namespace ashlar::check {

class Process {
 public:
  // As it is now. What is of a thread alone: of this one.
  static Process now();
  // What of it is other in `later`, in a few words; empty: nothing.
  std::string difference(const Process& later) const;

 private:
  std::map<std::string, std::string> state_;  // by what it is called in messages
};

// How often connect(2) was called. Not counted with a sanitizer.
unsigned connections_made();

}  // namespace ashlar::check
