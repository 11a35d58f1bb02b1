// Entries of a segment, laid out one after the other as they stand in the file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "layout.hpp"

namespace ashlar::trace {

// In order. Neither has a zero byte in it.
using TextList = std::vector<std::pair<std::string, std::string>>;

class Entries {
 public:
  // Of the segment that what is added from now on belongs to.
  void set_sequence(std::uint64_t sequence) { sequence_ = sequence; }

  void add(const SegmentHeader& header);
  // `record.entry` needs place and more only. `payload`: as many bytes as payload_bytes() says.
  void add(RecordEntry record, std::span<const std::byte> payload = {});
  void add(EntryType type, std::uint16_t place, std::uint64_t connection, std::uint64_t time,
           const TextList& texts = {});

  // Says that nothing more stands here yet: 8 zero bytes, over which the next entry goes.
  void add_end() { add_bytes(8); }

  // Bytes of such entries.
  static std::uint64_t size(std::uint64_t payload) { return round_up(sizeof(RecordEntry) + payload, 8); }
  static std::uint64_t size(const TextList& texts);

  std::span<const std::byte> bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  std::span<std::byte> add_bytes(std::uint64_t size);
  void close(std::span<std::byte> entry) const;

  std::uint64_t sequence_ = 0;
  std::vector<std::byte> bytes_;
};

}  // namespace ashlar::trace
