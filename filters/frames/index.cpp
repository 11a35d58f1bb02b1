#include "index.hpp"

#include <algorithm>
#include <stdexcept>

namespace ashlar::frames {

namespace {

constexpr std::uint64_t most_frames = std::uint64_t{1} << 22;  // 128 MiB of memory
constexpr std::uint64_t largest_alone = 1 << 20;               // as the remedies make frames

}  // namespace

void Index::refuse(const std::string& what) const { throw std::invalid_argument(what + "; " + remedy_); }

void Index::refuse_broken(const std::string& what) { throw std::invalid_argument(what); }

void Index::add(std::uint64_t from, std::uint64_t packed, std::uint64_t length, std::uint32_t tag) {
  if (length == 0) return;
  const std::string at = " at byte " + std::to_string(from);
  if (length > longest_)
    refuse("the frame" + at + " has " + std::to_string(length) +
           " bytes when it is unpacked, more than max_frame = " + std::to_string(longest_));
  if (packed == 0 || packed > 2 * length + 65536)
    refuse_broken("the frame" + at + " is broken: " + std::to_string(packed) + " bytes cannot be " +
                  std::to_string(length) + " bytes packed");
  if (frames_.size() == most_frames) refuse("there are more than " + std::to_string(most_frames) + " frames");
  frames_.push_back({from, size(), static_cast<std::uint32_t>(packed), static_cast<std::uint32_t>(length), tag});
}

void Index::refuse_one_large() const {
  if (count() == 1 && size() > largest_alone)
    refuse("all of its " + std::to_string(size()) + " bytes are in one frame, which each read would unpack");
}

std::uint64_t Index::find(std::uint64_t offset) const {
  const auto behind = std::ranges::upper_bound(frames_, offset, {}, &Frame::offset);
  return static_cast<std::uint64_t>(behind - frames_.begin()) - 1;
}

}  // namespace ashlar::frames
