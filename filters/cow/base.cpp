#include "base.hpp"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

using namespace ashlar;

Status Base::read(const Io& parent, std::uint64_t offset, std::span<std::byte> into, Flags flags) const noexcept {
  while (!into.empty()) {
    const std::uint64_t n = at_most(into.size());
    if (const Status s = next(Io::read(parent, offset, into.first(n), flags)); s.failed()) return s;
    offset += n;
    into = into.subspan(n);
  }
  return Status::success();
}

std::uint64_t Base::fingerprint() const {
  constexpr std::uint64_t mib = 1 << 20, sample = 65536, samples = 64;  // a multiple of every minimum
  std::uint64_t hash = 0xcbf29ce484222325;                              // FNV-1a
  std::vector<std::byte> buffer(sample);
  const auto add = [&](std::uint64_t begin, std::uint64_t end) {
    for (begin = begin / sample * sample; begin < end; begin += sample) {
      const auto part = std::span(buffer).first(std::min(sample, size - begin));
      if (const Status s = read(Io(Op::read, 0, 0), begin, part); s.failed())
        throw std::system_error(s.code(), std::generic_category(),
                                "cannot read the layer below at byte " + std::to_string(begin));
      for (const std::byte b : part) hash = (hash ^ static_cast<std::uint64_t>(b)) * 0x100000001b3;
    }
  };
  add(0, std::min(mib, size));
  if (size > mib) add(std::max(mib, size - std::min(mib, size)), size);
  for (std::uint64_t i = 1; size > 2 * mib && i <= samples; ++i) {
    const std::uint64_t at = size / (samples + 1) * i;
    add(at, at + 1);
  }
  return hash;
}
