// The GUID partition table (UEFI specification, chapter 5).
#pragma once
#include "table.hpp"

// Reads the header in the second sector, or the one in the last where that is broken: both of `sector` bytes. Throws
// BadTable when neither is whole.
Table read_gpt(const Disk& disk, std::uint64_t sector);

// Whether a header seems to be in the second sector, or in the last.
bool has_gpt_header(const Disk& disk, std::uint64_t sector);
