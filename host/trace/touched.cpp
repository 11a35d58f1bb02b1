#include "trace/touched.hpp"

namespace ashlar::host::traces {

bool Touched::is_kept(std::uint64_t number) const {
  const std::uint64_t hash = number * 0x9e3779b97f4a7c15;
  return shift_ == 0 || (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9 >> (64 - shift_) == 0;
}

void Touched::add(std::uint64_t offset, std::uint64_t length, bool writes) {
  if (length == 0) return;
  // A request for gigabytes, as a trim may be, would take long: its first 16 GiB will do.
  constexpr std::uint64_t most_blocks = 1 << 22;
  const std::uint64_t first = offset / block, last = (offset + length - 1) / block;
  for (std::uint64_t number = first; number <= last && number - first < most_blocks; ++number)
    if (is_kept(number)) add_block(number, writes);
  if (writes) written_ += length;
}

void Touched::add_block(std::uint64_t number, bool writes) {
  const auto [at, added] = blocks_.try_emplace(number, 0);
  if (writes) {
    if (at->second != 0) {
      overwritten_ += std::uint64_t{1} << shift_;
      distance_.add(written_ - at->second, std::uint64_t{1} << shift_);
    } else {
      ++written_blocks_;
    }
    at->second = written_;
  }
  if (added && blocks_.size() > most_kept) thin_out();
}

void Touched::thin_out() {
  ++shift_;
  std::erase_if(blocks_, [this](const auto& one) {
    if (is_kept(one.first)) return false;
    if (one.second != 0) --written_blocks_;
    return true;
  });
}

}  // namespace ashlar::host::traces
