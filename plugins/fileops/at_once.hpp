// What a filter asks of a file of its own, which nearly always is in the page cache.
#pragma once
#include <ashlar/ops.hpp>
#include <ashlar/status.hpp>

namespace ashlar::fileops {

// `op(flags)`, a read or write of a Backend over HostSyscalls. It is tried with NOWAIT first: what need not wait is
// quicker done here than by the host.
template <class Op>
Status at_once_or_later(Flags flags, Op op) noexcept {
  if (const Status s = op(flags | Flag::nowait); s != Status::would_block() || flags.has(Flag::nowait)) return s;
  return op(flags);
}

}  // namespace ashlar::fileops
