// Reads that are lent or told of as holes, of a filter that keeps every bit upside down among others.
#include <unistd.h>

#include "liar.hpp"

namespace lying {
namespace {

Status inverts(Liar& f, Io& io) noexcept {
  if (io.op() == Op::write) {
    std::vector<std::byte> bytes(io.payload().begin(), io.payload().end());
    for (std::byte& b : bytes) b = ~b;
    return f.next(Io::write(io, io.offset(), bytes, io.flags()));
  }
  const Status s = f.next(io);
  if (io.op() == Op::read && s.ok() && !io.lent() && io.data != nullptr)
    for (std::byte& b : io.buffer()) b = ~b;
  return s;
}
// What it may say of itself, but for one thing.
Geometry honest(Liar& f) {
  Geometry g = f.offer(Flag::nowait);
  g.ops = g.ops.without(Op::zero).without(Op::extents);
  return g;
}
void and_lends(Liar& f, Geometry& g) {
  g = honest(f);
  g.flags |= f.below().flags & Flag::may_lend;
}
void and_lends_cold(Liar& f, Geometry& g) {
  g = honest(f);
  g.flags |= f.below().flags & (Flag::may_lend | Flag::may_lend_cold | Flag::lend_only);
}
void and_tells_holes(Liar& f, Geometry& g) {
  g = honest(f);
  g.flags |= f.below().flags & Flag::may_hole;
}
void and_tells_extents(Liar& f, Geometry& g) {
  g = honest(f);
  g.ops |= f.below().ops & Ops{Op::extents};
}
void and_zeroes(Liar& f, Geometry& g) {
  g = honest(f);
  g.ops |= f.below().ops & Ops{Op::zero};
}
Status lends_elsewhere(Liar& f, Io& io) noexcept {
  return f.after(io, [&] {
    if (io.lent() && io.offset() >= later) io.lent_offset -= block;
  });
}
Status lends_cold_as_warm(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.lent_cold = 2; });
}
Status lends_cold_as_if_warm(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.lent_cold = 0; });
}
Status lends_unasked(Liar& f, Io& io) noexcept {
  return f.after(io, [&] {
    if (io.op() == Op::read) io.lent_fd = 0;
  });
}
Status lends_a_copy(Liar& f, Io& io) noexcept {  // and uses it for the next
  if (io.op() != Op::read || !io.has(Flag::may_lend) || io.has(Flag::lend_only)) return f.hand_on(io);
  std::vector<std::byte> bytes(io.length());
  const Status s = f.next(Io::read(io, io.offset(), bytes, io.flags() & Flag::nowait));
  if (s.failed()) return s;
  if (::pwrite(f.fd, bytes.data(), bytes.size(), 0) < 0) return Status::io_error();
  io.lend(f.fd, 0);
  return Status::success();
}

constexpr Lie lies[] = {
    {"inverts_and_lends", &inverts, &and_lends},
    {"inverts_and_lends_cold", &inverts, &and_lends_cold},
    {"inverts_and_tells_holes", &inverts, &and_tells_holes},
    {"inverts_and_tells_extents", &inverts, &and_tells_extents},
    {"inverts_and_zeroes", &inverts, &and_zeroes},
    LIE(lends_elsewhere),
    LIE(lends_cold_as_warm),
    LIE(lends_cold_as_if_warm),
    LIE(lends_unasked),
    LIE(lends_a_copy),
};

}  // namespace

std::span<const Lie> shortcut_lies() { return lies; }

}  // namespace lying
