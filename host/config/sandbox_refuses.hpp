// Whether it is the server's sandbox that keeps a file from being read, or the file's own rights.
#pragma once
#include <filesystem>
#include <string>

namespace ashlar::host {

// Whether open(2) refuses `file`, which its rights let this process read. (landlock(7): access(2) is not bounded)
bool sandbox_refuses(const std::filesystem::path& file) noexcept;

// What to add to a message that `file` cannot be read, when sandbox_refuses() it; else empty.
std::string sandbox_hint(const std::filesystem::path& file);

}  // namespace ashlar::host
