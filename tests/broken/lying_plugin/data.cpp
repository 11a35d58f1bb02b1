// Wrong bytes, the wrong place, the wrong end.
#include <unistd.h>

#include <algorithm>

#include "liar.hpp"

namespace lying {
namespace {

Status wrong_bytes(Liar& p, Io& io) noexcept {
  const Status s = p.honest(io);
  if (io.op() == Op::read && s.ok() && Liar::filled(io) && io.offset() >= later) io.buffer().back() ^= std::byte{1};
  if (io.op() == Op::write && s.ok()) {
    const std::byte wrong = io.payload().back() ^ std::byte{1};
    return p.put(io.end() - 1, &wrong, 1);
  }
  const std::byte one{1};
  return io.op() == Op::zero && s.ok() ? p.put(io.end() - 1, &one, 1) : s;
}
Status wrong_bytes_when(Flags flag, Liar& p, Io& io) noexcept {
  return io.has(flag) ? wrong_bytes(p, io) : p.honest(io);
}
Status wrong_bytes_when_durable(Liar& p, Io& io) noexcept { return wrong_bytes_when(Flag::fua, p, io); }
Status wrong_bytes_when_fast(Liar& p, Io& io) noexcept { return wrong_bytes_when(Flag::fast, p, io); }
Status wrong_bytes_when_it_may_trim(Liar& p, Io& io) noexcept { return wrong_bytes_when(Flag::may_trim, p, io); }
Status wrong_bytes_without_waiting(Liar& p, Io& io) noexcept { return wrong_bytes_when(Flag::nowait, p, io); }
Status wrong_place(Liar& p, Io& io) noexcept {
  return p.moved(io, io.offset() >= later ? io.offset() - block : io.offset(), io.length());
}
Status wrong_end(Liar& p, Io& io) noexcept {
  return p.moved(io, io.offset(), std::max<std::uint64_t>(io.length() - 1, 1));
}
Status too_long(Liar& p, Io& io) noexcept {
  return p.moved(io, io.offset(), std::min(io.length() + 1, p.layer.size - io.offset()));
}
Status cut_to_32_bits(Liar& p, Io& io) noexcept { return p.moved(io, io.offset() & 0xffffffff, io.length()); }
Status cut_to_31_bits(Liar& p, Io& io) noexcept { return p.moved(io, io.offset() & 0x7fffffff, io.length()); }
Status length_cut_to_32_bits(Liar& p, Io& io) noexcept {
  return p.moved(io, io.offset(), std::max<std::uint64_t>(io.length() & 0xffffffff, 1));
}
Status a_mebibyte_at_most(Liar& p, Io& io) noexcept {
  return p.moved(io, io.offset(), std::min<std::uint64_t>(io.length(), 1 << 20));
}
Status not_the_last_byte(Liar& p, Io& io) noexcept {
  if (io.end() != p.layer.size) return p.honest(io);
  return io.length() == 1 ? Status::success() : p.moved(io, io.offset(), io.length() - 1);
}
Status nothing(Liar& p, Io& io) noexcept { return io.op() == Op::read ? p.honest(io) : Status::success(); }
Status nothing_beyond_4_gib(Liar& p, Io& io) noexcept {
  return io.end() > std::uint64_t{1} << 32 ? nothing(p, io) : p.honest(io);
}
Status short_reads(Liar& p, Io& io) noexcept {
  if (io.op() != Op::read || !Liar::filled(io) || io.length() < 100000) return p.honest(io);
  return p.moved(io, io.offset(), 65536);
}
Status spoils_what_it_only_looks_at(Liar& p, Io& io) noexcept {
  const Status s = p.honest(io);
  const std::byte one{1};
  if (!Ops::writing().has(io.op())) static_cast<void>(p.put(io.op() == Op::flush ? 0 : io.offset(), &one, 1));
  return s;
}
Status drops_long_zeroes(Liar& p, Io& io) noexcept {  // it takes what is zeroed for what was never written
  const auto is_zero = [](std::byte b) { return b == std::byte{0}; };
  const bool drops =
      io.op() == Op::write && io.length() >= 4096 && std::all_of(io.payload().begin(), io.payload().end(), is_zero);
  return drops ? Status::success() : p.honest(io);
}
// It keeps equal blocks once, and takes those for equal that begin alike.
Status keeps_once_what_begins_alike(Liar& p, Io& io) noexcept {
  if (io.op() != Op::write || io.length() < 2 * block) return p.honest(io);
  std::vector<std::byte> bytes(io.payload().begin(), io.payload().end());
  for (std::size_t at = block; at + block <= bytes.size(); at += block)
    if (std::equal(bytes.begin(), bytes.begin() + 8, bytes.begin() + static_cast<std::ptrdiff_t>(at)))
      std::copy_n(bytes.begin(), block, bytes.begin() + static_cast<std::ptrdiff_t>(at));
  return p.put(io.offset(), bytes.data(), bytes.size());
}
Status writes_late(Liar& p, Io& io) noexcept {  // when the caller has its memory back
  if (io.op() != Op::write) return p.finish(), p.honest(io);
  p.finish();
  p.late = std::thread([&p, at = io.offset(), from = io.payload().data(), n = io.length()] {
    ::usleep(300);
    static_cast<void>(p.put(at, from, n));
  });
  return Status::success();
}
void promises_nothing(Layer&, Geometry& g) { g.flags = Flag::none; }

constexpr Lie lies[] = {
    LIE(wrong_bytes),
    LIE(wrong_bytes_when_durable),
    LIE(wrong_bytes_when_fast),
    LIE(wrong_bytes_when_it_may_trim),
    LIE(wrong_bytes_without_waiting),
    LIE(wrong_place),
    LIE(wrong_end),
    LIE(too_long),
    LIE(cut_to_32_bits),
    LIE(cut_to_31_bits),
    LIE(length_cut_to_32_bits),
    LIE(a_mebibyte_at_most),
    LIE(not_the_last_byte),
    LIE(nothing),
    LIE(nothing_beyond_4_gib),
    LIE(short_reads),
    LIE(spoils_what_it_only_looks_at),
    LIE(drops_long_zeroes),
    LIE(keeps_once_what_begins_alike),
    {"writes_late", &writes_late, &promises_nothing},
};

}  // namespace

std::span<const Lie> data_lies() { return lies; }

}  // namespace lying
