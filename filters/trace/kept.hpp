// What stands in a trace's file before a layer writes it, and is worth keeping.
#pragma once
#include <cstdint>
#include <string>

namespace ashlar::trace {

// Whether a FileWriter has the file.
bool is_written(const std::string& path);

struct Before {
  bool has_records = false;  // or tells of requests that have none
  std::uint64_t run = 0;     // the last one that wrote the file
  bool ended = false;        // by itself; else it still runs, or was killed
};
// Reads the last segment. A file that is not there, or is empty, has no records. Throws BeingWritten, and
// std::invalid_argument when the file cannot be read: then nobody knows what would be lost.
Before what_is_in(const std::string& path);

// Renames `file` to the first of PATH.FIRST, PATH.(FIRST + 1) … that is free, and returns that; PATH.0 is PATH itself.
// Throws MustStay when it cannot, or when `most` files are there.
std::string move_away(const std::string& file, const std::string& path, std::uint64_t first, std::uint64_t most);

}  // namespace ashlar::trace
