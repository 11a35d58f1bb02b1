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
    {"closing_one_breaks_the_others", &fails_when_one_was_closed},
};

}  // namespace

std::span<const Lie> thread_lies() { return lies; }

}  // namespace lying
