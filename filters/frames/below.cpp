#include "below.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <system_error>

namespace ashlar::frames {

Status Below::read_blocks(const Io& parent, std::uint64_t offset, std::span<std::byte> into) const noexcept {
  const std::uint64_t most = geometry.maximum / geometry.minimum * geometry.minimum;
  while (!into.empty()) {
    const std::uint64_t n = most != 0 ? std::min<std::uint64_t>(into.size(), most) : into.size();
    Io io = Io::read(parent, offset, into.first(n));
    if (const Status s = call(self, io); s.failed()) return s;
    offset += n;
    into = into.subspan(n);
  }
  return Status::success();
}

Status Below::read(const Io& parent, std::uint64_t offset, std::span<std::byte> into) const noexcept {
  const std::uint64_t block = geometry.minimum, end = offset + into.size();
  if (offset % block == 0 && (end % block == 0 || end == size())) return read_blocks(parent, offset, into);
  const std::uint64_t first = offset / block * block, last = std::min((end + block - 1) / block * block, size());
  const std::unique_ptr<std::byte[]> buffer(new (std::nothrow) std::byte[last - first]);
  if (buffer == nullptr) return Status{ENOMEM};
  const Status s = read_blocks(parent, first, {buffer.get(), last - first});
  if (s.ok()) std::memcpy(into.data(), buffer.get() + (offset - first), into.size());
  return s;
}

void Below::read_now(std::uint64_t offset, std::span<std::byte> into) const {
  if (const Status s = read(Io(Op::read, 0, 0), offset, into); s.failed())
    throw std::system_error(s.code(), std::generic_category(),
                            "cannot read the layer below at byte " + std::to_string(offset));
}

}  // namespace ashlar::frames
