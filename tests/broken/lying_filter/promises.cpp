// FUA, FAST, NOWAIT and flushes, dropped or claimed.
#include "liar.hpp"

namespace lying {
namespace {

Status drops_fua(Liar& f, Io& io) noexcept { return f.without(io, Flag::fua); }
Status drops_fast(Liar& f, Io& io) noexcept { return f.without(io, Flag::fast); }
Status drops_nowait(Liar& f, Io& io) noexcept {
  return io.has(Flag::lend_only) || io.has(Flag::may_lend_cold) ? f.hand_on(io) : f.without(io, Flag::nowait);
}
Status waits_when_it_would_block(Liar& f, Io& io) noexcept {
  const Status s = f.next(io);
  return s == Status::would_block() && !io.has(Flag::lend_only) && !io.has(Flag::may_lend_cold)
             ? f.without(io, Flag::nowait)
             : s;
}
Status drops_flush(Liar& f, Io& io) noexcept { return io.op() == Op::flush ? Status::success() : f.hand_on(io); }
Status flushes_its_own_alone(Liar& f, Io& io) noexcept {  // what its connection has written
  if (io.op() == Op::flush && !f.dirty) return Status::success();
  const Status s = f.hand_on(io);
  if (Ops::writing().has(io.op())) f.dirty = true;
  else if (io.op() == Op::flush && s.ok()) f.dirty = false;
  return s;
}
Status drops_each_16th_flush(Liar& f, Io& io) noexcept {
  return io.op() == Op::flush && ++f.layer.requests % 16 == 0 ? Status::success() : f.hand_on(io);
}
Status drops_fua_of_long_requests(Liar& f, Io& io) noexcept {
  return io.length() > 32768 ? drops_fua(f, io) : f.hand_on(io);
}
Status flushes_by_another_connection(Liar& f, Io& io) noexcept {
  const ashlar_device* const first = f.layer.first_next;
  return io.op() == Op::flush ? Status{first->process(first->self, &io)} : f.hand_on(io);
}
Status writes_when_fast(Liar& f, Io& io) noexcept {
  if (!io.has(Flag::fast) || io.has(Flag::nowait)) return f.hand_on(io);
  const std::vector<std::byte> zeroes(io.length());
  return f.next(Io::write(io, io.offset(), zeroes, io.flags() & Flag::fua));
}
Status deallocates(Liar& f, Io& io) noexcept {
  const Flags asked = io.flags();
  if (io.op() == Op::zero) io.set_flags(asked | (f.below().flags & Flag::may_trim));
  const Status s = f.next(io);
  io.set_flags(asked);
  return s;
}
Status flushes_before(Liar& f, Io& io) noexcept {  // instead of behind
  if (!io.has(Flag::fua) || io.has(Flag::nowait)) return f.hand_on(io);
  const Status s = f.next(Io(io, Op::flush, 0, 0));
  return s.ok() ? drops_fua(f, io) : s;
}

constexpr Lie lies[] = {
    LIE(drops_fua),
    LIE(drops_fast),
    LIE(drops_nowait),
    LIE(waits_when_it_would_block),
    LIE(drops_flush),
    LIE(flushes_its_own_alone),
    LIE(drops_each_16th_flush),
    LIE(drops_fua_of_long_requests),
    LIE(flushes_by_another_connection),
    LIE(writes_when_fast),
    LIE(deallocates),
    LIE(flushes_before),
    {"claims_fua", &drops_fua, [](Liar&, Geometry& g) { g.flags |= Flag::fua; }},
    {"claims_nowait", &drops_nowait, [](Liar&, Geometry& g) { g.flags |= Flag::nowait; }},
    {"claims_fast", &drops_fast, [](Liar&, Geometry& g) { g.flags |= Flag::fast; }},
    {"claims_multi_conn", nullptr, [](Liar&, Geometry& g) { g.multi_conn = true; }},
};

}  // namespace

std::span<const Lie> promise_lies() { return lies; }

}  // namespace lying
