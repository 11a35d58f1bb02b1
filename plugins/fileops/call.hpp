// A method as system calls.
#pragma once
#include "methods.hpp"
#include "range.hpp"
#include "syscalls.hpp"

namespace ashlar::fileops {

// Applies `method` to `range` of what `fd` stands for. Returns 0 or a negative errno number; interrupted calls are
// repeated. [any thread]
int call(Syscalls& syscalls, int fd, Method method, Range range);

}  // namespace ashlar::fileops
