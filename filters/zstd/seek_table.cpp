#include "seek_table.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "little_endian.hpp"

namespace ashlar::zstd {

namespace {

constexpr std::uint64_t table_magic = 0x8f92eab1;  // in the last four bytes of the file
constexpr std::uint64_t table_frame_magic = 0x184d2a5e;
constexpr std::uint64_t header_bytes = 8, footer_bytes = 9;
constexpr std::uint64_t entries_at_once = 4096;

struct Table {
  std::uint64_t entries, entry_bytes;
  std::uint64_t begin;  // of the frame that holds it
};

// Throws std::invalid_argument.
Table find(const frames::Below& below, const frames::Index& index, std::span<const std::byte> footer) {
  const std::uint64_t count = little_endian(footer.first(4));
  const auto descriptor = static_cast<unsigned>(footer[4]);
  if ((descriptor & 0x7c) != 0) index.refuse("the seek table is of a kind that is not known");
  const std::uint64_t entry_bytes = (descriptor & 0x80) != 0 ? 12 : 8;
  const std::uint64_t bytes = count * entry_bytes + footer_bytes;
  if (bytes + header_bytes > below.size())
    frames::Index::refuse_broken("the seek table is broken: it is to have " + std::to_string(count) +
                                 " entries, and the file is shorter");
  const std::uint64_t begin = below.size() - bytes - header_bytes;
  std::array<std::byte, header_bytes> header{};
  below.read_now(begin, header);
  const std::span h(header);
  if (little_endian(h.first(4)) != table_frame_magic || little_endian(h.subspan(4)) != bytes)
    frames::Index::refuse_broken("the seek table is broken: it does not begin at byte " + std::to_string(begin));
  return {count, entry_bytes, begin};
}

}  // namespace

bool read_seek_table(const frames::Below& below, frames::Index& index) {
  if (below.size() < header_bytes + footer_bytes) return false;
  std::array<std::byte, footer_bytes> footer{};
  below.read_now(below.size() - footer_bytes, footer);
  if (little_endian(std::span(footer).last(4)) != table_magic) return false;
  const Table table = find(below, index, footer);
  std::uint64_t from = 0;
  std::vector<std::byte> entries(std::min(table.entries, entries_at_once) * table.entry_bytes);
  for (std::uint64_t done = 0; done != table.entries;) {
    const std::uint64_t n = std::min(table.entries - done, entries_at_once);
    const auto part = std::span(entries).first(n * table.entry_bytes);
    below.read_now(table.begin + header_bytes + done * table.entry_bytes, part);
    for (std::uint64_t i = 0; i != n; ++i) {
      const auto entry = part.subspan(i * table.entry_bytes, table.entry_bytes);
      const std::uint64_t packed = little_endian(entry.first(4)), length = little_endian(entry.subspan(4, 4));
      const auto sum =
          static_cast<std::uint32_t>(table.entry_bytes == 12 ? little_endian(entry.subspan(8)) : no_checksum);
      if (packed > table.begin - from)
        frames::Index::refuse_broken("the seek table is broken: the frames in it are longer than the file");
      index.add(from, packed, length, sum);
      from += packed;
    }
    done += n;
  }
  if (from != table.begin)
    frames::Index::refuse_broken("the seek table is broken: the frames in it end at byte " + std::to_string(from) +
                                 ", and it begins at byte " + std::to_string(table.begin));
  return true;
}

}  // namespace ashlar::zstd
