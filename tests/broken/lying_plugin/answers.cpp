// Answers that are none, and what is offered and always refused.
#include "liar.hpp"

namespace lying {
namespace {

Status always_refuses(Liar&, Io&) noexcept { return Status::not_supported(); }
Status refuses_fua(Liar& p, Io& io) noexcept { return io.has(Flag::fua) ? Status::not_supported() : p.honest(io); }
Status refuses_fast(Liar& p, Io& io) noexcept { return io.has(Flag::fast) ? Status::not_supported() : p.honest(io); }
Status refuses_may_trim(Liar& p, Io& io) noexcept {
  return io.has(Flag::may_trim) ? Status::not_supported() : p.honest(io);
}
Status refuses_req_one(Liar& p, Io& io) noexcept { return io.has(Flag::req_one) ? Status::invalid() : p.honest(io); }
Status refuses_what_is_long(Liar& p, Io& io) noexcept {
  return io.length() > 1 << 20 ? Status::invalid() : p.honest(io);
}
Status eagain_unasked(Liar& p, Io& io) noexcept { return io.offset() >= later ? Status::would_block() : p.honest(io); }
Status eagain_when_half_done(Liar& p, Io& io) noexcept {
  if (!io.has(Flag::nowait)) return p.honest(io);
  static_cast<void>(p.honest(io));
  return Status::would_block();
}
Status fails_when_fast_but_zeroes_a_part(Liar& p, Io& io) noexcept {
  if (io.op() != Op::zero || !io.has(Flag::fast)) return p.honest(io);
  static_cast<void>(p.clear(io.offset(), io.length() / 2));
  return Status::not_supported();
}

constexpr Lie lies[] = {
    LIE(always_refuses),   LIE(refuses_fua),           LIE(refuses_fast),
    LIE(refuses_may_trim), LIE(refuses_req_one),       LIE(refuses_what_is_long),
    LIE(eagain_unasked),   LIE(eagain_when_half_done), LIE(fails_when_fast_but_zeroes_a_part),
};

}  // namespace

std::span<const Lie> answer_lies() { return lies; }

}  // namespace lying
