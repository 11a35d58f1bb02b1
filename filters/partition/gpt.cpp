#include "gpt.hpp"

#include <cstdio>
#include <cstring>
#include <optional>

namespace {

constexpr std::uint64_t longest_array = 1 << 20;  // 128 entries of 128 bytes are usual

std::uint32_t crc32(std::span<const std::byte> bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const std::byte b : bytes) {
    crc ^= static_cast<std::uint32_t>(b);
    for (int i = 0; i != 8; ++i) crc = crc >> 1 ^ (0xedb88320 & (0 - (crc & 1)));
  }
  return ~crc;
}

bool has_signature(std::span<const std::byte> header) { return std::memcmp(header.data(), "EFI PART", 8) == 0; }

// As people write them: the first three groups are little-endian numbers.
std::string guid_text(std::span<const std::byte> from) {
  char text[37];
  std::snprintf(text, sizeof text, "%08x-%04x-%04x-%04x-%012llx", static_cast<unsigned>(number(from, 0, 4)),
                static_cast<unsigned>(number(from, 4, 2)), static_cast<unsigned>(number(from, 6, 2)),
                __builtin_bswap16(static_cast<std::uint16_t>(number(from, 8, 2))),
                static_cast<unsigned long long>(__builtin_bswap64(number(from, 8, 8)) & 0xffffffffffff));
  return text;
}

void add_utf8(std::string& to, std::uint32_t c) {
  const auto add = [&to](std::uint32_t byte) { to += static_cast<char>(byte); };
  const auto add_further = [&](unsigned shift) { add(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return add(c);
  if (c < 0x800) {
    add(0xc0 | c >> 6);
  } else if (c < 0x10000) {
    add(0xe0 | c >> 12);
    add_further(6);
  } else {
    add(0xf0 | c >> 18);
    add_further(12);
    add_further(6);
  }
  add_further(0);
}

// UTF-16, little-endian, up to the first 0. What is no character becomes U+FFFD.
std::string label_text(std::span<const std::byte> from) {
  std::string text;
  for (std::size_t at = 0; at + 2 <= from.size(); at += 2) {
    std::uint32_t c = static_cast<std::uint32_t>(number(from, at, 2));
    if (c == 0) break;
    if (c >= 0xd800 && c < 0xe000) {
      const std::uint32_t low = at + 4 <= from.size() ? static_cast<std::uint32_t>(number(from, at + 2, 2)) : 0;
      const bool pair = c < 0xdc00 && low >= 0xdc00 && low < 0xe000;
      c = pair ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
      if (pair) at += 2;
    }
    add_utf8(text, c);
  }
  return text;
}

struct Header {
  std::uint64_t first_usable, last_usable, entries_at;  // sectors
  std::uint64_t entries, entry_size;
  std::uint32_t entries_crc;
};

// The header in sector `at`. Throws BadTable.
Header read_header(const Disk& disk, std::uint64_t sector, std::uint64_t at) {
  const std::string where = "the GPT header in sector " + std::to_string(at);
  auto bytes = disk.read(at * sector, sector, where);
  if (!has_signature(bytes)) throw BadTable(where + " has no signature");
  const std::uint64_t size = number(bytes, 12, 4);
  if (size < 92 || size > sector) throw BadTable(where + " says that it has " + std::to_string(size) + " bytes");
  const auto crc = static_cast<std::uint32_t>(number(bytes, 16, 4));
  std::memset(bytes.data() + 16, 0, 4);
  if (crc32(std::span(bytes).first(size)) != crc) throw BadTable(where + " has a wrong checksum");
  if (number(bytes, 24, 8) != at)
    throw BadTable(where + " says that it is in sector " + std::to_string(number(bytes, 24, 8)));
  return {number(bytes, 40, 8), number(bytes, 48, 8), number(bytes, 72, 8),
          number(bytes, 80, 4), number(bytes, 84, 4), static_cast<std::uint32_t>(number(bytes, 88, 4))};
}

// Throws BadTable when it does not lie within what the header calls usable, which lies within the disk.
Entry read_entry(std::span<const std::byte> from, unsigned entry_number, const Header& header, std::uint64_t sector) {
  Entry entry;
  entry.number = entry_number;
  entry.type_guid = guid_text(from);
  entry.label = label_text(from.subspan(56, 72));
  const std::uint64_t first = number(from, 32, 8), last = number(from, 40, 8);
  if (first > last || first < header.first_usable || last > header.last_usable)
    throw BadTable("partition " + std::to_string(entry_number) + " is said to be in the sectors from " +
                   std::to_string(first) + " to " + std::to_string(last) + ", outside of those from " +
                   std::to_string(header.first_usable) + " to " + std::to_string(header.last_usable) +
                   " which its table may give away");
  entry.begin = first * sector;
  entry.end = (last + 1) * sector;
  return entry;
}

// The table whose header is in sector `at`. Throws BadTable.
Table read_table(const Disk& disk, std::uint64_t sector, std::uint64_t at) {
  const Header header = read_header(disk, sector, at);
  const std::string where = "the GPT of sector " + std::to_string(at);
  const std::uint64_t sectors = disk.size / sector;
  if (header.last_usable >= sectors || header.entries_at >= sectors)
    throw BadTable(where + " is of a disk of more than " + std::to_string(sectors) + " sectors of " +
                   std::to_string(sector) + " bytes");
  if (header.entry_size < 128 || header.entry_size % 128 != 0 || header.entries > longest_array / header.entry_size)
    throw BadTable(where + " has " + std::to_string(header.entries) + " entries of " +
                   std::to_string(header.entry_size) + " bytes");
  const std::uint64_t length = header.entries * header.entry_size;
  const auto bytes = disk.read(header.entries_at * sector, length, "the entries of " + where);
  if (crc32(bytes) != header.entries_crc) throw BadTable("the entries of " + where + " have a wrong checksum");
  Table table{.gpt = true, .entries = {}};
  for (unsigned i = 0; i != header.entries; ++i) {
    const auto one = std::span(bytes).subspan(i * header.entry_size, header.entry_size);
    if (number(one, 0, 8) == 0 && number(one, 8, 8) == 0) continue;  // not used
    table.entries.push_back(read_entry(one, i + 1, header, sector));
  }
  return table;
}

}  // namespace

Table read_gpt(const Disk& disk, std::uint64_t sector) {
  try {
    return read_table(disk, sector, 1);
  } catch (const BadTable& first) {
    if (disk.size / sector < 3) throw;
    try {
      Table table = read_table(disk, sector, disk.size / sector - 1);
      disk.warn(std::string(first.what()) + "; the backup at the end of the disk is used");
      return table;
    } catch (const BadTable& second) {
      throw BadTable(std::string(first.what()) + ", and of the backup: " + second.what());
    }
  }
}

bool has_gpt_header(const Disk& disk, std::uint64_t sector) {
  if (disk.size / sector < 3) return false;
  return has_signature(disk.read(sector, 8, "a GPT")) ||
         has_signature(disk.read((disk.size / sector - 1) * sector, 8, "a GPT"));
}
