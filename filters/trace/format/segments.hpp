// The segments of a trace's file: found by their headers, wherever they are.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "layout.hpp"

namespace ashlar::trace {

// The header at `position` of the file `fd`; nullopt: there is none, or it is damaged. Throws std::system_error when it
// cannot be read.
std::optional<SegmentHeader> header_at(int fd, std::uint64_t position);

struct Segments {
  std::vector<SegmentHeader> found;  // by sequence
  // Where no header was found although one was due; looking went on behind it.
  std::vector<std::uint64_t> breaks;
};

// All segments of the file. Throws std::system_error when it cannot be read.
Segments segments_of(int fd);

// Position behind the last entry of the segment; nullopt: it ends with a break. Throws std::system_error when it cannot
// be read.
std::optional<std::uint64_t> end_of_entries(int fd, const SegmentHeader& segment);

// Reads up to `bytes` at `position`; returns how many there are. Throws std::system_error.
std::size_t read_at(int fd, void* into, std::size_t bytes, std::uint64_t position);

// Size of the file now. Throws std::system_error.
std::uint64_t size_of(int fd);

// Whether the open file is still what stands at the path. It is taken to be where the path cannot be looked at.
bool is_at(const std::string& path, int fd);

}  // namespace ashlar::trace
