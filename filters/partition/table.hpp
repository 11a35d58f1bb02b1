// Table: what the partition tables of a disk say, and how they are read. The parsers are pure but for the reads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

// A table that cannot be used. The text says what is wrong, and where.
struct BadTable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Where the tables are.
struct Disk {
  std::uint64_t size;  // bytes
  // Fills `into` from `offset`. Throws what is no BadTable when the disk cannot be read.
  std::function<void(std::uint64_t offset, std::span<std::byte> into)> read_at;
  std::function<void(const std::string&)> warn;

  // Throws BadTable when it is not within the disk.
  std::vector<std::byte> read(std::uint64_t offset, std::uint64_t bytes, const std::string& what) const {
    if (offset > size || bytes > size - offset)
      throw BadTable(what + " would be at byte " + std::to_string(offset) + ", outside of the disk of " +
                     std::to_string(size) + " bytes");
    std::vector<std::byte> into(bytes);
    read_at(offset, into);
    return into;
  }
};

// A number of `n` bytes, little-endian.
inline std::uint64_t number(std::span<const std::byte> from, std::size_t at, std::size_t n) {
  std::uint64_t value = 0;
  for (std::size_t i = n; i-- != 0;) value = value << 8 | static_cast<std::uint64_t>(from[at + i]);
  return value;
}

// A partition, or what else the tables have set apart.
struct Entry {
  enum class Kind { partition, logical, container, table };
  Kind kind = Kind::partition;
  unsigned number = 0;               // as Linux counts them; 0: of a table
  std::uint64_t begin = 0, end = 0;  // bytes
  std::string label, type_guid;      // GPT; the GUID in lower case
  bool overlaps(const Entry& other) const { return begin < other.end && other.begin < end; }
};

struct Table {
  bool gpt = false;
  std::vector<Entry> entries;
};
