// Extents that are not true, or not as they are to be told.
#include <algorithm>
#include <utility>

#include "liar.hpp"

namespace lying {
namespace {

Status told(Liar& f, Io& io, std::uint64_t offset, ExtentState add, ExtentState keep) noexcept {
  if (io.op() != Op::extents) return f.hand_on(io);
  std::uint64_t left = f.below().size - io.offset();
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    bytes = std::min(bytes, left);
    left -= bytes;
    return bytes != 0 && io.add_extent(bytes, (state & keep) | add) && left != 0;
  });
  Io other(io, Op::extents, offset, io.length(), io.flags());
  other.set_sink(&sink);
  return f.next(other);
}
Status all_zero(Liar& f, Io& io) noexcept { return told(f, io, io.offset(), Extent::sparse, Extent::sparse); }
Status all_holes(Liar& f, Io& io) noexcept { return told(f, io, io.offset(), Extent::hole, Extent::sparse); }
Status other_extents(Liar& f, Io& io) noexcept {
  const std::uint64_t from = io.offset() >= later ? io.offset() - later : io.offset();
  return told(f, io, from, Extent::allocated, Extent::sparse);
}
Status small_data_are_holes(Liar& f, Io& io) noexcept {
  if (io.op() != Op::extents) return f.hand_on(io);
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    return io.add_extent(bytes, bytes < 4096 ? Extent::sparse : state);
  });
  Io other(io, Op::extents, io.offset(), io.length(), io.flags());
  other.set_sink(&sink);
  return f.next(other);
}
Status extents_without_end(Liar& f, Io& io) noexcept {
  if (io.op() != Op::extents) return f.hand_on(io);
  for (std::uint64_t at = io.offset(); at < f.below().size; at += block)
    io.add_extent(std::min(block, f.below().size - at), Extent::allocated);
  return Status::success();
}
Status no_extents(Liar& f, Io& io) noexcept { return io.op() == Op::extents ? Status::success() : f.hand_on(io); }
Status first_extent_alone(Liar& f, Io& io) noexcept {  // no lie
  if (io.op() != Op::extents) return f.hand_on(io);
  bool first = true;
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    if (!std::exchange(first, false)) return false;
    io.add_extent(bytes, state);
    return false;
  });
  Io other(io, Op::extents, io.offset(), io.length(), io.flags());
  other.set_sink(&sink);
  return f.next(other);
}

constexpr Lie lies[] = {
    LIE(first_extent_alone),  LIE(all_zero),   LIE(all_holes), LIE(other_extents), LIE(small_data_are_holes),
    LIE(extents_without_end), LIE(no_extents),
};

}  // namespace

std::span<const Lie> extent_lies() { return lies; }

}  // namespace lying
