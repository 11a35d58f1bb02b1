// Which run of the server this is: the same in all layers of the process, and another one after a restart.
#pragma once
#include <cstdint>

namespace ashlar::trace {

// Made of what the kernel tells of the process: the machine's boot, the pid and its start.
std::uint64_t this_run();

}  // namespace ashlar::trace
