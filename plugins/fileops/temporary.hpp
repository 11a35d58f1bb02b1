// Files that nobody else sees.
#pragma once
#include <cstdint>
#include <string>

#include "fd.hpp"

namespace ashlar::fileops {

// Without a name, in `folder`, sparse, to be read and written; gone when it is closed. Throws std::system_error.
Fd temporary_file(const std::string& folder, std::uint64_t bytes);

// Whether files could lie in `folder`, found out without making one. Who may make them is not asked: the process may
// become another user. Throws std::system_error.
void must_be_folder(const std::string& folder);

}  // namespace ashlar::fileops
