// Extents, holes and lending.
#include <unistd.h>

#include "liar.hpp"

namespace lying {
namespace {

Status all_zero(Liar& p, Io& io) noexcept {
  if (io.op() == Op::extents) io.add_extent(io.length(), Extent::sparse);
  return io.op() == Op::extents ? Status::success() : p.honest(io);
}
Status extents_for_ever(Liar& p, Io& io) noexcept {
  for (std::uint64_t at = io.offset(); io.op() == Op::extents && at < p.layer.size; ++at)
    io.add_extent(1, Extent::allocated);
  return io.op() == Op::extents ? Status::success() : p.honest(io);
}
Status extents_past_the_end(Liar& p, Io& io) noexcept {
  if (io.op() == Op::extents) io.add_extent(p.layer.size, Extent::allocated);
  return io.op() == Op::extents ? Status::success() : p.honest(io);
}
Status holes_everywhere(Liar& p, Io& io) noexcept {
  if (!io.has(Flag::may_hole)) return p.honest(io);
  io.add_extent(io.length(), Extent::sparse);
  return Status::success();
}
Status half_a_hole(Liar& p, Io& io) noexcept {
  if (!io.has(Flag::may_hole) || io.has(Flag::lend_only) || io.length() < 2) return p.honest(io);
  const Status s = p.read_it(io);
  io.add_extent(io.length() / 2, Extent::allocated);
  return s;
}
Status lends_elsewhere(Liar& p, Io& io) noexcept {
  return p.after(io, [&] {
    if (io.lent() && io.offset() >= later) io.lent_offset -= block;
  });
}
Status lends_closed_descriptors(Liar& p, Io& io) noexcept {
  return p.after(io, [&] {
    if (io.lent()) io.lent_fd = 1000;
  });
}
Status lends_one_page_for_all(Liar& p, Io& io) noexcept {
  if (io.op() != Op::read || !io.has(Flag::may_lend)) return p.honest(io);
  std::vector<std::byte> bytes(io.length());
  static_cast<void>(!::pread(p.layer.file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(io.offset())));
  static_cast<void>(!::pwrite(p.own.fd(), bytes.data(), bytes.size(), 0));
  io.lend(p.own.fd(), 0);
  return Status::success();
}

constexpr Lie lies[] = {
    LIE(all_zero),    LIE(extents_for_ever), LIE(extents_past_the_end),     LIE(holes_everywhere),
    LIE(half_a_hole), LIE(lends_elsewhere),  LIE(lends_closed_descriptors), LIE(lends_one_page_for_all),
};

}  // namespace

std::span<const Lie> shortcut_lies() { return lies; }

}  // namespace lying
