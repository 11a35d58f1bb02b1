// Sizes in bytes, as people write them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ashlar::host {

// Bytes from "4096", "64K", "1M", "2G", "1T" or "1P": a whole number, then at most one letter for a power of 1024, in
// either case. The result is 0..INT64_MAX. Throws std::invalid_argument, whose text says what is wrong and what to do.
std::int64_t parse_size(std::string_view text);

// `bytes` in the largest unit that needs no fraction: "64K", "1000". parse_size() reads it back.
std::string size_text(std::int64_t bytes);

}  // namespace ashlar::host
