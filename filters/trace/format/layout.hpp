// How a trace lies in its file; FORMAT.md tells the same in words. Pure: bytes in, bytes out.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>

namespace ashlar::trace {

static_assert(std::endian::native == std::endian::little, "the file's numbers are little-endian, as this machine's");

inline constexpr char magic[8] = {'a', 's', 'h', 't', 'r', 'a', 'c', 'e'};
inline constexpr std::uint32_t format_version = 1;
// A segment begins on a multiple of this, and is as long as one.
inline constexpr std::uint64_t segment_step = 4096;
// Of the disk's blocks that the hashes of a payload are of.
inline constexpr std::uint64_t hash_block = 4096;

struct SegmentHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_bytes;   // the first entry stands behind so many
  std::uint64_t position;       // of the segment in the file
  std::uint64_t segment_bytes;  // with the header and what is not used at its end
  std::uint64_t sequence;       // of the segments of this file, from 1 on, in the order in which they were begun
  std::uint64_t run;            // the server's, the same in all its traces
  std::uint64_t realtime;       // both clocks when the segment was begun; nanoseconds
  std::uint64_t monotonic;
  std::uint32_t index;  // of the run's segments in this file, from 0 on
  std::uint32_t check;  // of all before it
};
static_assert(sizeof(SegmentHeader) == 72);

enum class EntryType : std::uint16_t {
  record = 1,
  place = 2,           // the layer that traces; before the first record of it in the segment
  client = 3,          // of a connection; before the first record of it in the segment
  gone = 4,            // the connection is closed
  lost = 5,            // requests that have no record, or no payload
  end_of_segment = 6,  // the trace goes on in the segment with the next sequence
  end_of_run = 7,      // the server has stopped
  triggered = 8,       // the ring was written out
};

// What each entry begins with. `size` 0: nothing stands here yet.
struct EntryHeader {
  std::uint32_t check;  // of all behind it, with the segment's sequence as seed
  std::uint32_t size;   // bytes, a multiple of 8, this header included
  std::uint16_t type;
  std::uint16_t place;
  std::uint32_t more;  // record: depth; else 0
};
static_assert(sizeof(EntryHeader) == 16);

enum class PayloadKind : std::uint8_t { none = 0, hash = 1, data = 2 };

struct RecordEntry {
  EntryHeader entry;
  std::uint64_t id;
  std::uint64_t connection;
  std::uint64_t offset;  // bytes
  std::uint64_t length;
  std::uint64_t start;  // nanoseconds of CLOCK_MONOTONIC
  std::uint64_t done;
  std::uint64_t sent;  // 0: not known, or never
  std::uint64_t flags;
  std::int32_t result;
  std::uint8_t op;
  std::uint8_t payload;  // PayloadKind
  std::uint8_t tries;
  std::uint8_t marks;
};
static_assert(sizeof(RecordEntry) == 88);

// In `marks`.
inline constexpr std::uint8_t mark_told_nothing = 1;  // the reply did not reach the client
inline constexpr std::uint8_t mark_left_out = 2;      // the payload was too long to be kept

// Every other entry; texts "key=value", each ended by a zero byte, follow.
struct InfoEntry {
  EntryHeader entry;
  std::uint64_t connection;  // 0: of none
  std::uint64_t time;        // nanoseconds of CLOCK_MONOTONIC
};
static_assert(sizeof(InfoEntry) == 32);

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t step) { return (n + step - 1) / step * step; }

// How many of the disk's 4 KiB blocks a range touches.
constexpr std::uint64_t hashes_of(std::uint64_t offset, std::uint64_t length) {
  return length == 0 ? 0 : (offset + length - 1) / hash_block - offset / hash_block + 1;
}

// Bytes of a record's payload, without what rounds them up.
constexpr std::uint64_t payload_bytes(PayloadKind kind, std::uint64_t offset, std::uint64_t length) {
  if (kind == PayloadKind::data) return length;
  return kind == PayloadKind::hash ? hashes_of(offset, length) * sizeof(std::uint64_t) : 0;
}

// XXH3, 64 bits, without seed: of a block, or of the part of one that a request touches.
std::uint64_t hash_of(std::span<const std::byte> bytes);
std::uint32_t check_of(const SegmentHeader& header);
// `entry`: the whole of it, header included.
std::uint32_t check_of(std::span<const std::byte> entry, std::uint64_t sequence);
// Of what is too long to be held at once: `next` gives what follows, none at its end. The first one is the entry's
// beginning and has the check in it.
std::uint32_t check_of(const std::function<std::span<const std::byte>()>& next, std::uint64_t sequence);

}  // namespace ashlar::trace
