// Wrong bytes, the wrong place, the wrong end, and what is not the filter's own.
#include <algorithm>
#include <cstring>

#include "liar.hpp"

namespace lying {
namespace {

Status wrong_bytes(Liar& f, Io& io) noexcept {
  if (io.op() == Op::write) {
    std::vector<std::byte> bytes(io.payload().begin(), io.payload().end());
    bytes.back() ^= std::byte{1};
    return f.next(Io::write(io, io.offset(), bytes, io.flags()));
  }
  const Status s = f.next(io);
  if (io.op() == Op::read && s.ok() && !io.lent() && io.data != nullptr && io.offset() >= later)
    io.buffer().back() ^= std::byte{1};
  if (io.op() == Op::zero && s.ok()) {
    const std::byte one{1};
    return f.next(Io::write(io, io.end() - 1, std::span(&one, 1)));
  }
  return s;
}
Status wrong_place(Liar& f, Io& io) noexcept {
  return f.moved(io, io.offset() >= later ? io.offset() - block : io.offset(), io.length());
}
Status wrong_end(Liar& f, Io& io) noexcept {
  return f.moved(io, io.offset(), std::max<std::uint64_t>(io.length() - 1, 1));
}
Status too_long(Liar& f, Io& io) noexcept {
  return f.moved(io, io.offset(), std::min(io.length() + 1, f.below().size - io.offset()));
}
Status cut_to_32_bits(Liar& f, Io& io) noexcept { return f.moved(io, io.offset() & 0xffffffff, io.length()); }
Status sectors_of_32_bits(Liar& f, Io& io) noexcept {  // 2 TiB
  return f.moved(io, io.offset() & ((std::uint64_t{1} << 41) - 1), io.length());
}
Status length_cut_to_32_bits(Liar& f, Io& io) noexcept {
  return f.moved(io, io.offset(), std::max<std::uint64_t>(io.length() & 0xffffffff, 1));
}
Status a_mebibyte_at_most(Liar& f, Io& io) noexcept {
  return f.moved(io, io.offset(), std::min<std::uint64_t>(io.length(), 1 << 20));
}
Status not_the_last_byte(Liar& f, Io& io) noexcept {
  const bool last = io.end() == f.below().size && io.length() > 1;
  return f.moved(io, io.offset(), io.length() - (last ? 1 : 0));
}
Status nothing(Liar&, Io& io) noexcept {
  if (io.op() == Op::read && io.data != nullptr) std::memset(io.data, 0x11, io.length());
  if (io.sink() != nullptr) io.add_extent(io.length(), Extent::allocated);
  return io.has(Flag::lend_only) ? Status::would_block() : Status::success();
}
Status touches_below(Liar& f, Io& io) noexcept {  // the window is smaller: what is behind it is not ours
  if (!Ops::writing().has(io.op()) || io.end() != f.smaller()) return f.hand_on(io);
  const Status s = f.next(io);
  return s.ok() ? f.next(Io(io, Op::zero, io.end(), block)) : s;
}
void is_smaller(Liar& f, Geometry& g) {
  g.size = f.smaller();
  g.ops = g.ops.without(Op::extents);
  g.flags = g.flags.without(Flag::may_hole | Flag::lend_only);
}
Status spoils_what_it_only_looks_at(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  if (Ops::writing().has(io.op()) || !s.ok() || io.has(Flag::nowait) || !f.below().ops.has(Op::write)) return s;
  const std::byte one{1};
  static_cast<void>(f.next(Io::write(io, io.op() == Op::flush ? 0 : io.offset(), std::span(&one, 1))));
  return s;
}

constexpr Lie lies[] = {
    LIE(wrong_bytes),
    LIE(wrong_place),
    LIE(wrong_end),
    LIE(too_long),
    LIE(cut_to_32_bits),
    LIE(sectors_of_32_bits),
    LIE(length_cut_to_32_bits),
    LIE(a_mebibyte_at_most),
    LIE(not_the_last_byte),
    LIE(nothing),
    {"touches_below", &touches_below, &is_smaller},
    LIE(spoils_what_it_only_looks_at),
};

}  // namespace

std::span<const Lie> data_lies() { return lies; }

}  // namespace lying
