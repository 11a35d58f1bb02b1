// The frames of a file without a seek table, found by going from block to block.
#pragma once
#include <frames/below.hpp>
#include <frames/index.hpp>

namespace ashlar::zstd {

// Adds them. Throws std::invalid_argument: one does not state its size, or what is there is no frame.
void walk_frames(const frames::Below& below, frames::Index& index);

}  // namespace ashlar::zstd
