// Promise: how a check ends when it does not end well. The checks throw these.
#pragma once
#include <string>

namespace ashlar::check {

// The promise is broken, and how.
struct Broken {
  std::string how;
};
// The module does not make the promise, or it cannot be tried.
struct NotMade {
  std::string why;
};
// The module refuses to be opened with these parameters: a mistake of the caller.
struct Unusable {
  std::string why;
};

inline void require(bool kept, const std::string& how) {
  if (!kept) throw Broken{how};
}

}  // namespace ashlar::check
