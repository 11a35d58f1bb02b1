// What it keeps of requests that are over: their memory, their ids, how many there were.
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "liar.hpp"

namespace lying {
namespace {

// The last request of a connection.
Status touches_data_of_the_last_read(Liar& p, Io& io) noexcept {
  volatile std::byte* const last = std::exchange(p.last_data, nullptr);
  if (last != nullptr) *last = *last;
  const Status s = p.honest(io);
  if (io.op() == Op::read && Liar::filled(io)) p.last_data = static_cast<std::byte*>(io.data);
  return s;
}
Status looks_at_data_of_the_last_write(Liar& p, Io& io) noexcept {
  const volatile std::byte* const last = std::exchange(p.last_data, nullptr);
  if (last != nullptr) static_cast<void>(*last);
  const Status s = p.honest(io);
  if (io.op() == Op::write) p.last_data = static_cast<std::byte*>(io.data);
  return s;
}
Status looks_at_the_last_request(Liar& p, Io& io) noexcept {
  const volatile std::uint64_t* const last = std::exchange(p.last_length, &static_cast<ashlar_io&>(io).length);
  if (last != nullptr) static_cast<void>(*last);
  return p.honest(io);
}
Status tells_the_last_sink(Liar& p, Io& io) noexcept {
  const ashlar_extent_sink* const last = std::exchange(p.last_sink, nullptr);
  if (last != nullptr) last->add(last->self, 1, 0);
  const Status s = p.honest(io);
  if (io.op() == Op::extents) p.last_sink = io.sink();
  return s;
}
// Ids.
Status answers_each_id_once(Liar& p, Io& io) noexcept {
  const std::lock_guard guard(p.mutex);
  const bool again = io.id() != 0 && io.id() == p.last_id;
  p.last_id = io.id();
  if (!again) return p.honest(io);
  if (io.op() == Op::read && io.data != nullptr) std::memset(io.data, 0, io.length());
  if (io.sink() != nullptr) io.add_extent(io.length(), Extent::allocated);
  return io.has(Flag::lend_only) ? Status::would_block() : Status::success();
}
Status needs_an_id(Liar& p, Io& io) noexcept {
  if (io.id() == 0) std::abort();
  return p.honest(io);
}
Status needs_a_time(Liar& p, Io& io) noexcept {
  if (io.arrived() == 0) std::abort();
  return p.honest(io);
}
// How often.
Status reads_the_same_twice_alone(Liar& p, Io& io) noexcept {
  const std::lock_guard guard(p.mutex);
  const bool same = io.op() == Op::read && io.offset() == p.kept_at && io.length() == p.last_id;
  p.times = same ? p.times + 1 : 0;
  p.kept_at = io.offset();
  p.last_id = io.length();
  const Status s = p.honest(io);
  if (p.times >= 2 && s.ok() && Liar::filled(io)) io.buffer().front() ^= std::byte{1};
  return s;
}
Status reads_ahead_wrongly(Liar& p, Io& io) noexcept {  // from the fourth read in a row on
  const std::lock_guard guard(p.mutex);
  const bool in_a_row = io.op() == Op::read && io.offset() == p.kept_at;
  p.times = in_a_row ? p.times + 1 : 0;
  p.kept_at = io.end();
  const Status s = p.honest(io);
  if (p.times >= 4 && s.ok() && Liar::filled(io)) io.buffer().front() ^= std::byte{1};
  return s;
}

// No lie: nobody knows what is there of a write that was given up. It is seen by the second read behind it.
Status does_later_what_it_gave_up(Liar& p, Io& io) noexcept {
  const std::lock_guard guard(p.mutex);
  if (io.op() != Op::read || p.times++ != 0) p.kept.clear();
  if (io.op() != Op::write || !p.layer.wait.cancelled()) return p.honest(io);
  std::vector<std::byte> before(io.length());
  Io look = Io::read(io.offset(), before);
  static_cast<void>(p.honest(look));
  static_cast<void>(p.honest(io));
  p.kept = std::move(before);
  p.kept_at = io.offset();
  p.times = 0;
  return Status{ECANCELED};
}
void has_no_shortcuts(Layer&, Geometry& g) { g.flags = Flag::promises; }

constexpr Lie lies[] = {
    LIE(touches_data_of_the_last_read),
    LIE(looks_at_data_of_the_last_write),
    LIE(looks_at_the_last_request),
    LIE(tells_the_last_sink),
    LIE(answers_each_id_once),
    LIE(needs_an_id),
    LIE(needs_a_time),
    LIE(reads_the_same_twice_alone),
    LIE(reads_ahead_wrongly),
    {"does_later_what_it_gave_up", &does_later_what_it_gave_up, &has_no_shortcuts},
};

}  // namespace

std::span<const Lie> kept_lies() { return lies; }

}  // namespace lying
