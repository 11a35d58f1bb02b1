// Settings: the parameters of the filter, read.
#pragma once
#include <ashlar/params.hpp>
#include <cstdint>
#include <string>

#include "warm_list.hpp"

namespace ashlar::caching {

struct Settings {
  // Throws BadParameter.
  explicit Settings(const Params& params);

  std::uint64_t bytes;       // of what is kept
  std::uint64_t block;       // bytes, a power of two
  bool back;                 // writes are kept until they are flushed
  std::uint64_t most_dirty;  // bytes
  std::uint64_t most_ahead;  // bytes that are read before they are asked for; 0: none
  std::string folder;        // of the file that they are kept in; empty: they are kept in memory
  bool has_warm;             // a list, which may have no range
  WarmList warm;
};

}  // namespace ashlar::caching
