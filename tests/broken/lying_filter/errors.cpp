// Errors that are lost or made up, and answers that are none.
#include <cerrno>

#include "liar.hpp"

namespace lying {
namespace {

Status swallows_errors(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  return s == Status::would_block() || s == Status::not_supported() ? s : Status::success();
}
Status swallows_a_shutdown(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  return s.code() == ESHUTDOWN ? Status::success() : s;
}
Status swallows_not_supported(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  return s == Status::not_supported() && !io.has(Flag::fast) ? Status::success() : s;
}
void never_fails_to_zero(Liar&, Geometry& g) { g.zero_may_fail = false; }
Status every_error_is_the_same(Liar& f, Io& io) noexcept {  // "no space left" among them
  const Status s = f.next(io);
  return s.ok() || s == Status::would_block() || s == Status::not_supported() ? s : Status::io_error();
}
Status errors_become_not_supported(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  return s.ok() || s == Status::would_block() ? s : Status::not_supported();
}
Status fails_ever_after(Liar& f, Io& io) noexcept {
  if (f.forked) return Status::io_error();
  const Status s = f.next(io);
  f.forked = s.failed() && s != Status::would_block() && s != Status::not_supported();
  return s;
}
Status always_refuses(Liar&, Io&) noexcept { return Status::not_supported(); }
Status refuses_fua(Liar& f, Io& io) noexcept { return io.has(Flag::fua) ? Status::not_supported() : f.hand_on(io); }
Status refuses_fast(Liar& f, Io& io) noexcept { return io.has(Flag::fast) ? Status::not_supported() : f.hand_on(io); }
Status never_at_once(Liar& f, Io& io) noexcept { return io.has(Flag::nowait) ? Status::would_block() : f.hand_on(io); }
Status eagain_unasked(Liar& f, Io& io) noexcept {
  return io.offset() >= later || io.op() == Op::flush ? Status::would_block() : f.hand_on(io);
}
Status negative_status(Liar&, Io&) noexcept { return Status{-5}; }
Status eagain_when_half_done(Liar& f, Io& io) noexcept {
  if (!io.has(Flag::nowait)) return f.hand_on(io);
  static_cast<void>(f.next(io));
  return Status::would_block();
}

constexpr Lie lies[] = {
    LIE(swallows_errors),
    LIE(swallows_a_shutdown),
    {"swallows_not_supported", &swallows_not_supported, &never_fails_to_zero},
    {"hides_that_zero_may_fail", nullptr, &never_fails_to_zero},
    LIE(every_error_is_the_same),
    LIE(errors_become_not_supported),
    LIE(fails_ever_after),
    LIE(always_refuses),
    LIE(refuses_fua),
    LIE(refuses_fast),
    LIE(never_at_once),
    LIE(eagain_unasked),
    LIE(negative_status),
    LIE(eagain_when_half_done),
};

}  // namespace

std::span<const Lie> error_lies() { return lies; }

}  // namespace lying
