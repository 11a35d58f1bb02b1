// The seek table of zstd's seekable format: a skippable frame at the end of the file.
#pragma once
#include <frames/below.hpp>
#include <frames/index.hpp>

namespace ashlar::zstd {

// The tag of a frame of which the table has no checksum. A frame whose checksum is just that is not looked at.
inline constexpr std::uint32_t no_checksum = 0;

// Adds what the table says, which fits the length of the file. False: there is none. Throws std::invalid_argument: it
// is broken.
bool read_seek_table(const frames::Below& below, frames::Index& index);

}  // namespace ashlar::zstd
