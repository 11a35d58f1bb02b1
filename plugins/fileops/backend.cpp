#include "backend.hpp"

#include <system_error>
#include <utility>

#include "facts.hpp"

namespace ashlar::fileops {

Backend::Backend(Facts facts, Fd fd, Fd buffered, Syscalls& syscalls, Host host)
    : facts_(facts),
      fd_(std::move(fd)),
      buffered_(std::move(buffered)),
      sys_(syscalls),
      host_(host),
      zero_metrics_(host),
      zero_calm_(facts.kind == Kind::file ? Calm::slow_ns : Calm::blocked_ns),
      merger_(wait_of(host), [this](const Zeroing& zeroing) { return act(zeroing); }),
      sync_errors_(wait_of(host), Witness(syscalls, fd_.get(), facts.witness)),
      size_(facts.size),
      direct_end_(facts.direct_end),
      dense_(facts.dense) {
  // Opening one may wait, and with direct I/O the first FUA write is made by a thread that must not.
  if (facts.direct && !facts.read_only) sync_errors_.watch();
}

Backend::~Backend() { log_totals(); }

// Connections that were told another size are still served: what depends on it has to be right for all of them.
std::uint64_t Backend::size_now() {
  const std::int64_t answered = sys_.size(fd_.get());
  if (answered < 0)
    throw std::system_error(static_cast<int>(-answered), std::generic_category(), "cannot read the size");
  const auto size = static_cast<std::uint64_t>(answered);

  const std::uint64_t end = facts_.direct ? direct_end(size, facts_.direct_block) : 0;
  std::uint64_t known = direct_end_.load(std::memory_order_relaxed);
  while (end < known && !direct_end_.compare_exchange_weak(known, end, std::memory_order_relaxed)) {
  }
  if (const std::uint64_t before = size_.exchange(size, std::memory_order_relaxed); before != size) {
    if (facts_.kind == Kind::file && sys_.allocated(fd_.get()) < answered)
      dense_.store(false, std::memory_order_relaxed);
    log_resized(before, size);
  }
  return size;
}

// `error`: with which a call was refused. What is not supported is remembered, and said once. cachestat(2) refuses who
// neither may write the file nor owns it (Linux 6.14), and will go on to do so.
void Backend::note_refusal(Feature feature, int error) noexcept {
  const bool for_good = verdict(error) == Verdict::unsupported || (feature == Feature::cachestat && error == EPERM);
  if (for_good && abilities_.found_unsupported(feature)) log_discovery(name(feature), error);
}

Geometry Backend::geometry() {
  Geometry g;
  g.size = size_now();
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
