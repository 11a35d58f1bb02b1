// WarmList: what `ashlar trace prefetch` says is read soon, such as when a machine starts.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "range.hpp"

namespace ashlar::caching {

class WarmList {
 public:
  WarmList() = default;
  // Ranges that lie near each other become one, of at most `longest` bytes unless a single one is longer.
  explicit WarmList(std::vector<Range> ranges);
  // Lines of "OFFSET LENGTH" in bytes; what begins with # is a comment. Throws BadParameter of the parameter "warm".
  static WarmList read(const std::string& path);

  // In the order of the disk; they do not overlap.
  const std::vector<Range>& ranges() const { return ranges_; }
  // The one that holds the byte at `offset`; an empty one: none does.
  Range around(std::uint64_t offset) const;

  static constexpr std::uint64_t longest = 4 << 20;

 private:
  std::vector<Range> ranges_;
};

}  // namespace ashlar::caching
