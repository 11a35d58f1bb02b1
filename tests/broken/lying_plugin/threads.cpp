// Waiting, threads and connections.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "liar.hpp"

namespace lying {
namespace {

Status sleeps(Liar& p, Io& io) noexcept {
  if (io.has(Flag::nowait) || p.layer.is("parks_and_sleeps")) ::usleep(3000);
  return p.honest(io);
}
Status sleeps_when_long(Liar& p, Io& io) noexcept {
  if (io.has(Flag::nowait) && io.length() > 16384) ::usleep(3000);
  return p.honest(io);
}
Status takes_long(Liar& p, Io& io) noexcept {  // which is no lie
  ::usleep(200000);
  return p.honest(io);
}
Status hangs(Liar& p, Io& io) noexcept {
  if (io.offset() >= later) sleep_for_ever(nullptr);
  return p.honest(io);
}
Status crashes(Liar& p, Io& io) noexcept {
  if (io.offset() >= later) std::abort();
  return p.honest(io);
}
Status has_a_disk_of_its_own(Liar& p, Io& io) noexcept {
  p.fd = p.own.fd();
  return p.honest(io);
}
Status keeps_writes_to_itself(Liar& p, Io& io) noexcept {  // until the connection is closed
  if (io.op() != Op::write || io.length() > block) return p.honest(io);
  const std::lock_guard guard(p.mutex);
  p.kept_at = io.offset();
  p.kept.assign(io.payload().begin(), io.payload().end());
  return Status::success();
}
void promises_nothing(Layer&, Geometry& g) { g.flags = Flag::none; }
Status takes_turns(Liar& p, Io& io) noexcept {  // with one buffer for all threads
  if (io.op() != Op::write || io.length() > sizeof p.shared) return p.honest(io);
  std::memcpy(p.shared, io.payload().data(), io.length());
  std::this_thread::yield();
  return p.put(io.offset(), p.shared, io.length());
}
// One buffer of a connection, for all threads that use it.
Status zeroes_by_turns(Liar& p, Io& io) noexcept {
  if (io.op() != Op::zero || io.length() > sizeof p.shared) return takes_turns(p, io);
  std::memset(p.shared, 0, io.length());
  std::this_thread::yield();
  return p.put(io.offset(), p.shared, io.length());
}
Status long_ones_take_turns(Liar& p, Io& io) noexcept {
  if (io.op() != Op::write || io.length() <= 4096) return p.honest(io);
  const std::span all(p.large);
  if (io.length() > all.size()) return p.honest(io);
  std::memcpy(all.data(), io.payload().data(), io.length());
  std::this_thread::yield();
  return p.put(io.offset(), all.data(), io.length());
}
Status one_buffer_for_all_layers(Liar& p, Io& io) noexcept {
  static std::byte shared[64 << 10];
  if (io.op() != Op::write || io.length() > sizeof shared) return p.honest(io);
  const std::lock_guard guard(p.layer.mutex);  // which keeps out those of its own layer
  std::memcpy(shared, io.payload().data(), io.length());
  std::this_thread::yield();
  return p.put(io.offset(), shared, io.length());
}
Status is_done_when_cancelled(Liar& p, Io& io) noexcept {
  if (!p.layer.wait.cancelled()) return p.honest(io);
  if (io.sink() != nullptr) io.add_extent(io.length(), Extent::allocated);
  return Status::success();
}
Status is_broken_when_cancelled(Liar& p, Io& io) noexcept {
  return p.layer.wait.cancelled() ? Status::io_error() : p.honest(io);
}
void for_one_connection(Layer&, Geometry& g) { g.multi_conn = false; }
Status sleeps_each_third_time(Liar& p, Io& io) noexcept {
  if (io.has(Flag::nowait) && ++p.times % 3 == 0) ::usleep(3000);
  return p.honest(io);
}
Status parks_and_sleeps_when_it_writes(Liar& p, Io& io) noexcept {
  if (!io.has(Flag::nowait) && io.op() != Op::read) ::usleep(3000);
  return p.honest(io);
}
Status parks_on_a_large_stack(Liar& p, Io& io) noexcept {
  volatile char large[512 << 10];
  for (std::size_t i = 0; i < sizeof large; i += 4096) large[i] = 0;
  return p.honest(io);
}
Status fast_is_slow(Liar& p, Io& io) noexcept {
  if (io.op() == Op::zero && io.has(Flag::fast) && !io.has(Flag::nowait)) ::usleep(20000);
  return p.honest(io);
}
void parks(Layer&, Geometry& g) { g.parks = true; }
Status fails_when_one_was_closed(Liar& p, Io& io) noexcept {
  return p.layer.one_was_closed ? Status::io_error() : p.honest(io);
}

constexpr Lie lies[] = {
    LIE(sleeps),
    {"parks_and_sleeps", &sleeps, [](Layer&, Geometry& g) { g.parks = true; }},
    LIE(sleeps_when_long),
    LIE(takes_long),
    LIE(hangs),
    LIE(crashes),
    LIE(has_a_disk_of_its_own),
    {"keeps_writes_to_itself", &keeps_writes_to_itself, &promises_nothing},
    LIE(takes_turns),
    {"takes_turns_on_one_connection", &takes_turns, &for_one_connection},
    {"zeroes_by_turns", &zeroes_by_turns, &for_one_connection},
    LIE(long_ones_take_turns),
    LIE(one_buffer_for_all_layers),
    LIE(is_done_when_cancelled),
    LIE(is_broken_when_cancelled),
    LIE(sleeps_each_third_time),
    {"parks_and_sleeps_when_it_writes", &parks_and_sleeps_when_it_writes, &parks},
    {"parks_on_a_large_stack", &parks_on_a_large_stack, &parks},
    LIE(fast_is_slow),
    {"closing_one_breaks_the_others", &fails_when_one_was_closed},
};

}  // namespace

std::span<const Lie> thread_lies() { return lies; }

}  // namespace lying
