#include "mbr.hpp"

#include <algorithm>
#include <set>

namespace {

constexpr std::size_t record_bytes = 512;  // also in larger sectors
constexpr std::size_t most_logical = 256;

struct Row {
  unsigned type;
  std::uint64_t first, sectors;
  bool used() const { return type != 0 && sectors != 0; }
  bool extended() const { return type == 0x05 || type == 0x0f || type == 0x85; }
};

Row row(std::span<const std::byte> record, std::size_t index) {
  const std::size_t at = 446 + 16 * index;
  return {static_cast<unsigned>(record[at + 4]), number(record, at + 8, 4), number(record, at + 12, 4)};
}

// Throws BadTable when there is none.
std::vector<std::byte> read_record(const Disk& disk, std::uint64_t offset, const std::string& what) {
  auto record = disk.read(offset, record_bytes, what);
  if (number(record, 510, 2) != 0xaa55) throw BadTable(what + " has no signature (55 AA)");
  return record;
}

Entry entry(Entry::Kind kind, unsigned entry_number, std::uint64_t first, std::uint64_t sectors, std::uint64_t sector) {
  Entry made;
  made.kind = kind;
  made.number = entry_number;
  made.begin = first * sector;
  made.end = (first + sectors) * sector;
  return made;
}

// Each link has a table in its first sector: one row for a partition behind it, one for the next link.
void add_logical(const Disk& disk, std::uint64_t sector, const Row& container, Table& table) {
  std::set<std::uint64_t> seen;
  unsigned next_number = 5;
  for (std::uint64_t link = 0;;) {
    const std::uint64_t at = container.first + link;
    const std::string where = "the table of logical partitions in sector " + std::to_string(at);
    if (link >= container.sectors) throw BadTable(where + " is outside of the extended partition");
    if (!seen.insert(at).second)
      throw BadTable("the chain of logical partitions runs in a circle: it comes to sector " + std::to_string(at) +
                     " again");
    if (seen.size() > most_logical)
      throw BadTable("the chain of logical partitions has more than " + std::to_string(most_logical) + " links");
    const auto record = read_record(disk, at * sector, where);
    table.entries.push_back(entry(Entry::Kind::table, 0, at, 1, sector));
    if (const Row part = row(record, 0); part.used()) {
      if (link + part.first + part.sectors > container.sectors)
        throw BadTable("logical partition " + std::to_string(next_number) + " reaches out of the extended partition");
      table.entries.push_back(entry(Entry::Kind::logical, next_number++, at + part.first, part.sectors, sector));
    }
    const Row further = row(record, 1);
    if (!further.used() || !further.extended()) return;
    link = further.first;
  }
}

}  // namespace

bool is_protective_mbr(const Disk& disk) {
  const auto record = read_record(disk, 0, "the first sector");
  for (std::size_t i = 0; i != 4; ++i)
    if (row(record, i).type == 0xee) return true;
  return false;
}

Table read_mbr(const Disk& disk, std::uint64_t sector) {
  const auto record = read_record(disk, 0, "the first sector");
  Table table;
  table.entries.push_back(entry(Entry::Kind::table, 0, 0, 1, sector));
  bool has_container = false;
  for (std::size_t i = 0; i != 4; ++i) {
    const Row one = row(record, i);
    if (!one.used()) continue;
    const auto kind = one.extended() ? Entry::Kind::container : Entry::Kind::partition;
    table.entries.push_back(entry(kind, static_cast<unsigned>(i + 1), one.first, one.sectors, sector));
    if (!one.extended()) continue;
    if (has_container) throw BadTable("there are two extended partitions");
    has_container = true;
    add_logical(disk, sector, one, table);
  }
  return table;
}
