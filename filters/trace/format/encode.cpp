#include "encode.hpp"

namespace ashlar::trace {

std::uint64_t Entries::size(const TextList& texts) {
  std::uint64_t n = sizeof(InfoEntry);
  for (const auto& [key, value] : texts) n += key.size() + 1 + value.size() + 1;
  return round_up(n, 8);
}

std::span<std::byte> Entries::add_bytes(std::uint64_t size) {
  const std::size_t before = bytes_.size();
  bytes_.resize(before + size);
  return std::span(bytes_).subspan(before);
}

void Entries::close(std::span<std::byte> entry) const {
  const std::uint32_t check = check_of(entry, sequence_);
  std::memcpy(entry.data(), &check, sizeof check);
}

void Entries::add(const SegmentHeader& header) { std::memcpy(add_bytes(sizeof header).data(), &header, sizeof header); }

void Entries::add(RecordEntry record, std::span<const std::byte> payload) {
  record.entry.size = static_cast<std::uint32_t>(size(payload.size()));
  record.entry.type = static_cast<std::uint16_t>(EntryType::record);
  if (payload.empty()) {  // as nearly all are: the check is made before it is copied
    const auto all = std::as_writable_bytes(std::span(&record, 1));
    close(all);
    bytes_.insert(bytes_.end(), all.begin(), all.end());
    return;
  }
  const auto entry = add_bytes(record.entry.size);
  std::memcpy(entry.data(), &record, sizeof record);
  std::memcpy(entry.data() + sizeof record, payload.data(), payload.size());
  close(entry);
}

void Entries::add(EntryType type, std::uint16_t place, std::uint64_t connection, std::uint64_t time,
                  const TextList& texts) {
  const auto entry = add_bytes(size(texts));
  const InfoEntry info{.entry = {.check = 0,
                                 .size = static_cast<std::uint32_t>(entry.size()),
                                 .type = static_cast<std::uint16_t>(type),
                                 .place = place,
                                 .more = 0},
                       .connection = connection,
                       .time = time};
  std::memcpy(entry.data(), &info, sizeof info);
  std::size_t at = sizeof info;
  for (const auto& [key, value] : texts) {
    const std::string text = key + "=" + value;
    std::memcpy(entry.data() + at, text.c_str(), text.size() + 1);
    at += text.size() + 1;
  }
  close(entry);
}

}  // namespace ashlar::trace
