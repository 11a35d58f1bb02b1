// Which partition is meant, and whether it may be served. Pure.
#pragma once
#include <optional>
#include <string>

#include "table.hpp"

struct Wanted {
  std::optional<unsigned> number;
  std::optional<std::string> label;
  std::optional<std::string> type_guid;  // in lower case
};

// The one partition that is meant. Throws BadTable: there is none, there are several, it overlaps another or a table,
// or it lies outside of the disk of `size` bytes.
const Entry& choose(const Table& table, const Wanted& wanted, std::uint64_t size);
