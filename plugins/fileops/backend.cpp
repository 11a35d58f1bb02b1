#include "backend.hpp"

#include <utility>

namespace ashlar::fileops {

Backend::Backend(Facts facts, Fd fd, Fd buffered, Syscalls& syscalls, Host host)
    : facts_(facts),
      fd_(std::move(fd)),
      buffered_(std::move(buffered)),
      sys_(syscalls),
      host_(host),
      zero_calm_(facts.kind == Kind::file ? Calm::slow_ns : Calm::blocked_ns),
      merger_([this](const Zeroing& zeroing) { return act(zeroing); }),
      dense_(facts.dense) {}

Backend::~Backend() { log_totals(); }

Geometry Backend::geometry() const {
  Geometry g;
  g.size = facts_.size;
  if (facts_.read_only) g.ops = Ops::known().without(Ops::writing());
  g.flags = Flag::promises | Flag::shortcuts;
  if (facts_.manual_zeroing) g.flags = g.flags.without(Flag::fast);  // it would always be refused
  g.minimum = facts_.direct ? facts_.direct_block : 1;
  g.preferred = facts_.preferred;
  g.read_only = facts_.read_only;
  g.rotational = facts_.rotational;
  g.multi_conn = true;  // one descriptor for all connections: fdatasync(2) covers what any of them wrote
  g.zero_may_fail = true;
  return g;
}

}  // namespace ashlar::fileops
