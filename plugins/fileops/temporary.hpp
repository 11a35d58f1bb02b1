// Files that nobody else sees.
#pragma once
#include <cstdint>
#include <string>

#include "fd.hpp"

namespace ashlar::fileops {

// Without a name, in `folder`, sparse, to be read and written; gone when it is closed. Throws std::system_error.
Fd temporary_file(const std::string& folder, std::uint64_t bytes);

}  // namespace ashlar::fileops
