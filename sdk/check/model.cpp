#include "model.hpp"

#include <algorithm>

namespace ashlar::check {
namespace {

constexpr std::uint64_t piece = 256 << 10;  // read at once

}  // namespace

Bytes some_bytes(Random& random, std::size_t n) {
  Bytes bytes(n);
  std::uint64_t word = random();
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 8 == 0) word = word * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
    bytes[i] = static_cast<std::byte>(1 + (word >> (8 * (i % 8)) & 0xff) % 255);
  }
  return bytes;
}

Model::Model(const Device& device, std::uint64_t bytes_around)
    : Model(device, check::places(device.geometry().size,
                                  std::max<std::uint64_t>(bytes_around, 2 * device.geometry().minimum))) {}

Model::Model(const Device& device, const std::vector<Range>& places) : device_(device) {
  if (geometry().size == 0) throw NotMade{"the device is empty"};
  for (const Range& place : places) {
    const Range whole = on_blocks(place);
    if (!places_.empty() && whole.offset <= places_.back().end())
      places_.back().length = whole.end() - places_.back().offset;
    else places_.push_back(whole);
  }
  for (const Range& place : places_) {
    bytes_.emplace_back(place.length);
    trimmed_.emplace_back(place.length);
    forgotten_.emplace_back(place.length);
    reload(place, false);
  }
}

Range Model::on_blocks(Range range) const {
  const std::uint64_t block = geometry().minimum;
  const std::uint64_t begin = range.offset / block * block;
  const std::uint64_t end = std::min((range.end() + block - 1) / block * block, geometry().size);
  return {begin, end - begin};
}

std::uint64_t Model::longest(Op op, std::uint64_t most) const {
  const bool carries = op == Op::read || op == Op::write;
  return carries && geometry().maximum != 0 ? std::min<std::uint64_t>(most, geometry().maximum) : most;
}

// Half of the ranges are short; some end where a place does, or lie on large blocks.
Range Model::pick(Random& random, std::uint64_t most) const {
  const Range& place = places_[random() % places_.size()];
  const std::uint64_t block = geometry().minimum;
  const std::uint64_t blocks = (place.length + block - 1) / block;
  const std::uint64_t at_most = std::max<std::uint64_t>(1, std::min(most, random() % 2 == 0 ? 4096 : most) / block);
  std::uint64_t count = 1 + random() % std::min(blocks, at_most);
  std::uint64_t first = random() % (blocks - count + 1);
  const std::uint64_t in_page = 4096 / block;
  switch (random() % 8) {
    case 0: first = blocks - count; break;
    case 1:
    case 2:
      if (in_page > 1) {
        first = first / in_page * in_page;
        count = std::min(std::max<std::uint64_t>(1, count / in_page) * in_page, blocks - first);
        if (count > at_most) count = at_most;
      }
      break;
    default: break;
  }
  const std::uint64_t offset = place.offset + first * block;
  return {offset, std::min(count * block, place.end() - offset)};
}

std::vector<Model::Part> Model::parts(Range range) const {
  std::vector<Part> all;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const std::uint64_t begin = std::max(range.offset, places_[i].offset),
                        end = std::min(range.end(), places_[i].end());
    if (begin < end) all.push_back({i, {begin, end - begin}});
  }
  return all;
}

void Model::put(std::uint64_t offset, std::span<const std::byte> bytes) {
  for (const auto& [i, range] : parts({offset, bytes.size()})) {
    const std::span<const std::byte> inside = bytes.subspan(range.offset - offset, range.length);
    const auto at = static_cast<std::ptrdiff_t>(range.offset - places_[i].offset);
    std::copy(inside.begin(), inside.end(), bytes_[i].begin() + at);
    std::fill_n(trimmed_[i].begin() + at, range.length, false);
  }
}

void Model::put_zeroes(Range range) {
  for (const auto& [i, part] : parts(range)) {
    const auto at = static_cast<std::ptrdiff_t>(part.offset - places_[i].offset);
    std::fill_n(bytes_[i].begin() + at, part.length, std::byte{0});
    std::fill_n(trimmed_[i].begin() + at, part.length, false);
  }
}

void Model::reload(Range range, bool trimmed) {
  const std::uint64_t step =
      std::max<std::uint64_t>(longest(Op::read, piece) / geometry().minimum, 1) * geometry().minimum;
  for (const auto& [i, part] : parts(range)) {
    const Range whole = on_blocks(part);
    for (std::uint64_t at = whole.offset; at < whole.end();) {
      const std::uint64_t n = std::min(step, whole.end() - at);
      const Bytes got = read_all(device_, at, n);
      std::copy(got.begin(), got.end(), bytes_[i].begin() + static_cast<std::ptrdiff_t>(at - places_[i].offset));
      at += n;
    }
    if (trimmed)
      std::fill_n(trimmed_[i].begin() + static_cast<std::ptrdiff_t>(part.offset - places_[i].offset), part.length,
                  true);
  }
}

void Model::forget(Range range) {
  for (const auto& [i, part] : parts(range))
    std::fill_n(forgotten_[i].begin() + static_cast<std::ptrdiff_t>(part.offset - places_[i].offset), part.length,
                true);
}

std::span<const std::byte> Model::bytes(Range range) const {
  const Part part = parts(range).at(0);
  return std::span(bytes_[part.place]).subspan(part.range.offset - places_[part.place].offset, part.range.length);
}

bool Model::trimmed(Range range) const {
  for (const auto& [i, part] : parts(range)) {
    const auto from = trimmed_[i].begin() + static_cast<std::ptrdiff_t>(part.offset - places_[i].offset);
    if (std::find(from, from + static_cast<std::ptrdiff_t>(part.length), true) !=
        from + static_cast<std::ptrdiff_t>(part.length))
      return true;
  }
  return false;
}

std::optional<std::uint64_t> Model::differs(std::uint64_t offset, std::span<const std::byte> got) const {
  const Part part = parts({offset, got.size()}).at(0);
  const std::span<const std::byte> wanted = bytes(part.range);
  const std::uint64_t begin = offset - places_[part.place].offset;
  for (auto at = wanted.begin(); at != wanted.end(); ++at) {
    at = std::mismatch(at, wanted.end(), got.begin() + (at - wanted.begin())).first;
    if (at == wanted.end()) break;
    const auto n = static_cast<std::uint64_t>(at - wanted.begin());
    if (!forgotten_[part.place][begin + n]) return offset + n;
  }
  return std::nullopt;
}

void Model::compare(const Device& by, Range range, Flags flags, const std::string& after) const {
  const std::uint64_t step =
      std::max<std::uint64_t>(longest(Op::read, piece) / geometry().minimum, 1) * geometry().minimum;
  for (std::uint64_t at = range.offset; at < range.end();) {
    const std::uint64_t n = std::min(step, range.end() - at);
    Read got = read(by, at, n, flags);
    if (got.status == Status::would_block()) got = read(by, at, n, flags.without(Flag::shortcuts));
    const Request request{.op = Op::read, .offset = at, .length = n, .flags = flags};
    must(got.status, request);
    if (const auto place = differs(at, got.bytes))
      throw Broken{request.text() + " gave other bytes than before or than were written, from " +
                   std::to_string(*place) + " on" + (after.empty() ? "" : ", after " + after)};
    at += n;
  }
}

void Model::compare_around(Range range, const std::string& after) const {
  const std::uint64_t beside = std::max<std::uint64_t>(geometry().minimum, 8192);
  const std::uint64_t begin = range.offset > beside ? range.offset - beside : 0;
  for (const auto& [i, part] : parts(on_blocks({begin, range.end() + beside - begin}))) compare(part, after);
}

void Model::compare_all(const Device& by, const std::string& after) const {
  for (const Range& place : places_) compare(by, place, {}, after);
}

// Extents may reach past the range, and past what is known.
void Model::compare_extents(Range range, const Told& told, const std::string& what) const {
  std::uint64_t at = range.offset;
  for (const ListedExtent& e : told.extents) {
    const std::uint64_t end = std::min(at + e.length, range.end());
    for (const auto& [i, part] : parts({at, end - std::min(at, end)})) {
      const auto not_zero = differs(part.offset, Bytes(part.length));
      if (!not_zero) continue;
      if (e.state.has(Extent::zero))
        throw Broken{what + " call byte " + std::to_string(*not_zero) + " zero, and it is not"};
      if (e.state.has(Extent::hole) && !trimmed(part))
        throw Broken{what + " call " + std::to_string(part.offset) + " a hole, where data were written"};
    }
    at = end;
  }
}

}  // namespace ashlar::check
