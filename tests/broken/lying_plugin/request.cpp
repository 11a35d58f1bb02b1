// The struct of the request, and its memory, changed.
#include "liar.hpp"

namespace lying {
namespace {

std::byte* data_of(Io& io) { return static_cast<std::byte*>(io.data); }

Status changes_flags(Liar& p, Io& io) noexcept {
  return p.after(io, [&] { io.set_flags(Flags{~std::uint64_t{0}}); });
}
Status changes_offset(Liar& p, Io& io) noexcept {
  return p.after(io, [&] { io.set_offset(io.end()); });
}
Status changes_length(Liar& p, Io& io) noexcept {
  return p.after(io, [&] { io.set_range(io.offset(), 0); });
}
Status changes_data(Liar& p, Io& io) noexcept {
  return p.after(io, [&] { io.data = data_of(io) + io.length(); });
}
Status changes_payload(Liar& p, Io& io) noexcept {
  return p.after(io, [&] {
    if (io.op() == Op::write) data_of(io)[io.length() / 2] ^= std::byte{1};
  });
}
Status writes_behind_data(Liar& p, Io& io) noexcept {
  return p.after(io, [&] {
    if (io.op() == Op::read && Liar::filled(io)) data_of(io)[io.length()] ^= std::byte{1};
  });
}
Status writes_before_data(Liar& p, Io& io) noexcept {
  return p.after(io, [&] {
    if (io.op() == Op::read && Liar::filled(io)) data_of(io)[-1] ^= std::byte{1};
  });
}
Status reads_behind_data(Liar& p, Io& io) noexcept {
  const volatile auto* const behind = static_cast<const std::byte*>(io.data) + io.length();
  if (io.op() == Op::write) static_cast<void>(*behind);
  return p.honest(io);
}
Status reads_before_its_data(Liar& p, Io& io) noexcept {
  const volatile auto* const data = static_cast<const std::byte*>(io.data);
  if (io.op() == Op::write) static_cast<void>(data[-1]);
  return p.honest(io);
}

constexpr Lie lies[] = {
    LIE(changes_flags),      LIE(changes_offset),    LIE(changes_length),
    LIE(changes_data),       LIE(changes_payload),   LIE(writes_behind_data),
    LIE(writes_before_data), LIE(reads_behind_data), LIE(reads_before_its_data),
};

}  // namespace

std::span<const Lie> request_lies() { return lies; }

}  // namespace lying
