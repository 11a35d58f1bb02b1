#include "trace/report.hpp"

#include <algorithm>
#include <cstring>

#include "format/layout.hpp"

namespace ashlar::host::traces {

Report::Report(trace::TraceReader& reader) {
  Between between;
  trace::Joiner joiner(reader, [&](const trace::Record& record) { add(record, reader); });
  std::vector<trace::Record> group;
  while (joiner.next(group)) between.add(group);
  for (std::size_t n = 0; n != reader.files(); ++n)
    for (const trace::Place& place : reader.file(n).places()) {
      between.know(name_of(place));
      static_cast<void>(stats_of(place));
    }
  between_ = between.pairs();
  completeness_ = reader.completeness();
  completeness_.left_out += not_read_;
  for (const auto& place : places_) place->finish();
  // From the client down.
  std::map<PlaceName, std::size_t> depth;
  for (const Between::Pair& pair : between_) depth[pair.lower] = depth[pair.upper] + 1;
  std::stable_sort(places_.begin(), places_.end(), [&](const auto& a, const auto& b) {
    const PlaceName one = name_of(a->place()), other = name_of(b->place());
    return std::tuple(one.exported, depth[one], one.tag) < std::tuple(other.exported, depth[other], other.tag);
  });
}

PlaceStats& Report::stats_of(const trace::Place& place) {
  PlaceStats*& stats = by_place_[&place];
  if (stats == nullptr) {
    PlaceStats*& named = by_name_[name_of(place)];
    if (named == nullptr) named = places_.emplace_back(std::make_unique<PlaceStats>(place)).get();
    stats = named;
  }
  return *stats;
}

void Report::add(const trace::Record& record, trace::TraceReader& reader) {
  PlaceStats& stats = stats_of(*record.place);
  stats.add(record);
  if (record.op == Op::write && record.payload != trace::PayloadKind::none) add_payload(stats, record, reader);
}

// Which of the bytes that were written are zero.
void Report::add_payload(PlaceStats& stats, const trace::Record& record, trace::TraceReader& reader) {
  try {
    reader.payload(record, payload_);
  } catch (const trace::NoMemory&) {
    throw;
  } catch (const trace::TraceError&) {  // a server has written over it meanwhile
    ++not_read_;
    stats.add_unknown(record.length);
    return;
  }
  const auto is_zero = [this, &record](std::uint64_t at, std::uint64_t length, std::size_t number) {
    if (record.payload == trace::PayloadKind::data)
      return std::all_of(payload_.begin() + static_cast<std::ptrdiff_t>(at),
                         payload_.begin() + static_cast<std::ptrdiff_t>(at + length),
                         [](std::byte b) { return b == std::byte{0}; });
    const auto [known, added] = hashes_of_zeroes_.try_emplace(length);
    if (added) known->second = trace::hash_of(std::vector<std::byte>(length));
    std::uint64_t hash = 0;
    std::memcpy(&hash, payload_.data() + number * sizeof hash, sizeof hash);
    return hash == known->second;
  };
  std::uint64_t zeroes = 0;
  std::size_t number = 0;
  for (std::uint64_t at = 0; at < record.length; ++number) {
    const std::uint64_t in_block = trace::hash_block - (record.offset + at) % trace::hash_block;
    const std::uint64_t length = std::min(in_block, record.length - at);
    if (is_zero(at, length, number)) zeroes += length;
    at += length;
  }
  stats.add_zeroes(zeroes);
}

}  // namespace ashlar::host::traces
