// The master boot record: four primary partitions, of which one may hold a chain of logical ones.
#pragma once
#include "table.hpp"

// Whether the first sector says that the disk has a GPT. Throws BadTable when it has no table at all.
bool is_protective_mbr(const Disk& disk);

// Reads the table in the first sector, and the chain of logical partitions. Throws BadTable.
Table read_mbr(const Disk& disk, std::uint64_t sector);
