// What one connection believes that another has changed, and connections that are only to read.
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "liar.hpp"

namespace lying {
namespace {

// Once a connection has found bytes with these flags, it finds them again, until it changes them itself.
Status remembers_reads_with(Flags flag, Liar& p, Io& io) noexcept {
  const std::lock_guard guard(p.mutex);
  if (Ops::writing().has(io.op())) p.kept.clear();
  if (io.op() != Op::read || !io.has(flag) || io.data == nullptr || io.length() > 65536) return p.honest(io);
  const Flags asked = io.flags();
  io.set_flags(asked.without(Flag::shortcuts));
  const std::vector<std::byte> kept = std::exchange(p.kept, {});  // what p.honest() reads
  const Status s = p.honest(io);
  io.set_flags(asked);
  if (!s.ok()) return s;
  if (kept.size() == io.length() && p.kept_at == io.offset()) std::memcpy(io.data, kept.data(), kept.size());
  p.kept_at = io.offset();
  p.kept.assign(io.buffer().begin(), io.buffer().end());
  return s;
}
Status remembers_reads_without_waiting(Liar& p, Io& io) noexcept { return remembers_reads_with(Flag::nowait, p, io); }
Status remembers_reads_with_holes(Liar& p, Io& io) noexcept { return remembers_reads_with(Flag::may_hole, p, io); }
// Each connection looks once which blocks have data, and learns of its own writes alone.
Status remembers_extents(Liar& p, Io& io) noexcept {
  const std::lock_guard guard(p.mutex);
  constexpr std::uint64_t known = 4 << 20;
  if (Ops::writing().has(io.op())) p.kept.clear();
  if (io.op() != Op::extents || io.end() > known) return p.honest(io);
  if (p.kept.empty()) {
    p.kept.resize(known / block);
    for (std::uint64_t at = 0; at < known;) {
      const off_t data = ::lseek(p.fd, static_cast<off_t>(at), SEEK_DATA);
      if (data < 0 || static_cast<std::uint64_t>(data) >= known) break;
      const auto end = std::min(static_cast<std::uint64_t>(::lseek(p.fd, data, SEEK_HOLE)), known);
      for (at = static_cast<std::uint64_t>(data); at < end; at += block) p.kept[at / block] = std::byte{1};
    }
    p.kept_at = p.layer.size;  // no read meets it
  }
  for (std::uint64_t at = io.offset(); at < io.end();) {
    const std::uint64_t n = std::min(block - at % block, io.end() - at);
    const bool data = p.kept[at / block] != std::byte{0};
    if (!io.add_extent(n, data ? Extent::allocated : Extent::sparse)) break;
    at += n;
  }
  return Status::success();
}
// A connection that only reads has the disk as it was when it came.
Status reads_a_snapshot(Liar& p, Io& io) noexcept {
  if (!p.read_only || io.op() != Op::read || io.end() > p.kept.size()) return p.honest(io);
  std::memcpy(io.data, p.kept.data() + io.offset(), io.length());
  return Status::success();
}
void promises_nothing(Layer&, Geometry& g) { g.flags = Flag::none; }

constexpr Lie lies[] = {
    LIE(remembers_reads_without_waiting),
    LIE(remembers_reads_with_holes),
    LIE(remembers_extents),
    // Of these liar.cpp knows the rest.
    {"reads_a_snapshot", &reads_a_snapshot, &promises_nothing},
    {"another_size_when_read_only"},
};

}  // namespace

std::span<const Lie> view_lies() { return lies; }

}  // namespace lying
