// The struct of the request, and its memory, changed.
#include <cstring>

#include "liar.hpp"

namespace lying {
namespace {

ashlar_extent_sink deaf{nullptr, [](void*, std::uint64_t, std::uint32_t) noexcept -> std::int32_t { return 1; }};

std::byte* data_of(Io& io) { return static_cast<std::byte*>(io.data); }

Status changes_flags(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.set_flags(Flags{~std::uint64_t{0}}); });
}
Status changes_offset(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.set_offset(io.end()); });
}
Status changes_length(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.set_range(io.offset(), 0); });
}
Status changes_data(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.data = data_of(io) + io.length(); });
}
Status changes_op(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { static_cast<ashlar_io&>(io).op = 99; });
}
Status changes_extents(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.set_sink(&deaf); });
}
Status changes_id(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { static_cast<ashlar_io&>(io).id = 7; });
}
Status changes_arrived(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { static_cast<ashlar_io&>(io).arrived = 7; });
}
Status changes_size(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { io.struct_size = sizeof io; });
}
Status writes_behind_io(Liar& f, Io& io) noexcept {
  return f.after(io, [&] { std::memset(reinterpret_cast<char*>(&io) + sizeof io, 0, 8); });
}
Status below_with_id(std::uint64_t id, Liar& f, Io& io) noexcept {
  Io other(io, io.op(), io.offset(), io.length(), io.flags().without(Flag::shortcuts));
  static_cast<ashlar_io&>(other).id = id;
  other.data = io.data;
  if (io.op() == Op::extents) other.set_sink(io.sink());
  return io.has(Flag::lend_only) ? Status::would_block() : f.next(other);
}
Status other_id_below(Liar& f, Io& io) noexcept { return below_with_id(1, f, io); }
Status no_id_below(Liar& f, Io& io) noexcept { return below_with_id(0, f, io); }
Status writes_behind_data(Liar& f, Io& io) noexcept {
  return f.after(io, [&] {
    if (io.op() == Op::read && io.data != nullptr) data_of(io)[io.length()] ^= std::byte{1};
  });
}
Status writes_before_data(Liar& f, Io& io) noexcept {
  return f.after(io, [&] {
    if (io.op() == Op::read && io.data != nullptr) data_of(io)[-1] ^= std::byte{1};
  });
}
Status changes_payload(Liar& f, Io& io) noexcept {
  return f.after(io, [&] {
    if (io.op() == Op::write) data_of(io)[io.length() / 2] ^= std::byte{1};
  });
}
Status changes_payload_for_the_call(Liar& f, Io& io) noexcept {
  if (io.op() != Op::write) return f.hand_on(io);
  data_of(io)[0] ^= std::byte{1};
  return f.after(io, [&] { data_of(io)[0] ^= std::byte{1}; });
}

constexpr Lie lies[] = {
    LIE(changes_flags),      LIE(changes_offset),     LIE(changes_length),  LIE(changes_data),
    LIE(changes_op),         LIE(changes_extents),    LIE(changes_id),      LIE(changes_arrived),
    LIE(changes_size),       LIE(writes_behind_io),   LIE(other_id_below),  LIE(no_id_below),
    LIE(writes_behind_data), LIE(writes_before_data), LIE(changes_payload), LIE(changes_payload_for_the_call),
};

}  // namespace

std::span<const Lie> request_lies() { return lies; }

}  // namespace lying
