// zero and trim: the plan (zero_plan.hpp), acted out.
#include <algorithm>

#include "backend.hpp"
#include "call.hpp"

namespace ashlar::fileops {
namespace {

// Zero and trim up to this length may run on the connection's thread.
constexpr std::uint64_t inline_zero_max = 4u << 20;
// So many may take longer than waking a worker, once that was in vain.
constexpr unsigned inline_however_slow = 64;

// A file mostly changes its metadata in memory. A device may zero within microseconds, less than waking a worker takes,
// or write and wait: the first try tells.
bool may_run_inline(const Io& io) { return io.length() <= inline_zero_max && !io.has(Flag::fua); }

ZeroMetrics::Outcome outcome_of(int error) {
  switch (verdict(error)) {
    case Verdict::done: return ZeroMetrics::Outcome::ok;
    case Verdict::failed: return ZeroMetrics::Outcome::failed;
    case Verdict::unsupported:
    case Verdict::not_here: break;
  }
  return ZeroMetrics::Outcome::refused;
}

}  // namespace

Status Backend::zero(Io& io) noexcept {
  if (facts_.read_only) return Status{EPERM};
  if (facts_.manual_zeroing) return Status::not_supported();
  const Zeroing zeroing{Op::zero, io.has(Flag::may_trim), io.has(Flag::fast), {io.offset(), io.length()}};
  if (io.has(Flag::nowait)) return may_run_inline(io) ? run_inline(zeroing) : Status::would_block();
  const Status s = run(zeroing, may_run_inline(io));
  // Not counted under NOWAIT: writing the zeroes has to wait, and the whole request is repeated then.
  if (s == Status::not_supported() && !zeroing.fast) {
    left_to_writing_.fetch_add(io.length(), std::memory_order_relaxed);
    zero_metrics_.left_to_writing(io.length());
  }
  return s.ok() && io.has(Flag::fua) ? datasync() : s;
}

Status Backend::trim(Io& io) noexcept {
  if (facts_.read_only) return Status{EPERM};
  if (facts_.manual_zeroing) return Status::success();
  const Range range = clip_inward({io.offset(), io.length()}, facts_.discard_block, facts_.discard_phase);
  const Zeroing zeroing{Op::trim, true, false, range};
  // A device waits for what it discards, and nobody waits for a trim.
  if (io.has(Flag::nowait) && (facts_.kind == Kind::block || !may_run_inline(io))) return Status::would_block();
  Status s = Status::success();
  if (!range.empty()) s = io.has(Flag::nowait) ? run_inline(zeroing) : run(zeroing, may_run_inline(io));
  return s.ok() && io.has(Flag::fua) ? datasync() : s;
}

// On a worker. `small`: such as may run inline.
Status Backend::run(const Zeroing& zeroing, bool small) noexcept {
  if (facts_.kind == Kind::block) return act(zeroing);
  const Merger::Result result = merger_.run(zeroing);
  if (small && result.in_vain) zero_calm_.end(inline_however_slow);
  return result.status;
}

// On the connection's thread, as long as that has lately been quick: on a device, not blocked; on a file, no slower
// than waking a worker.
Status Backend::run_inline(const Zeroing& zeroing) noexcept {
  const bool file = facts_.kind == Kind::file;
  const std::int64_t from = sys_.now();
  if (!zero_calm_.at(from) || (file && !calm_.at(from))) return Status::would_block();
  const Status status = act(zeroing);
  const std::int64_t to = sys_.now();
  zero_calm_.ran(from, to);
  if (file) calm_.ran(from, to);
  return status;
}

Status Backend::act(const Zeroing& zeroing) noexcept {
  return zeroing.op == Op::trim ? do_trim(zeroing.range) : do_zero(zeroing);
}

// A device zeroes whole sectors: what sticks out at the ends is written. The middle comes first, so that nothing was
// changed when there is no way to zero it; FAST is refused, as the ends would have to be written.
Status Backend::do_zero(const Zeroing& zeroing) noexcept {
  Question question{facts_.kind, zeroing.may_trim, zeroing.fast, true, abilities_.unsupported()};
  if (facts_.kind == Kind::file) return zero_by_plan(question, zeroing.range);
  const Split parts = split(zeroing.range, facts_.sector);
  question.aligned = parts.head.empty() && parts.tail.empty();
  if (question.aligned || zeroing.fast) return zero_by_plan(question, zeroing.range);

  question.aligned = true;
  if (!parts.middle.empty())
    if (const Status s = zero_by_plan(question, parts.middle); s.failed()) return s;
  if (const Status s = fill_with_zeroes(parts.head); s.failed()) return s;
  return fill_with_zeroes(parts.tail);
}

Status Backend::zero_by_plan(const Question& question, Range range) noexcept {
  for (const Method method : plan_zero(question)) {
    const int error = attempt(Op::zero, method, range);
    switch (verdict(error)) {
      case Verdict::done:
        if (method != Method::write_zeroes) dense_.store(false, std::memory_order_relaxed);
        return Status::success();
      case Verdict::failed: return answer(error);
      case Verdict::unsupported:
      case Verdict::not_here: break;
    }
  }
  return Status::not_supported();
}

Status Backend::fill_with_zeroes(Range range) noexcept {
  static constexpr std::byte zeroes[4096] = {};
  while (!range.empty()) {
    const Range piece{range.offset, std::min<std::uint64_t>(range.length, sizeof zeroes)};
    if (const Status s = write_all(zeroes, piece); s.failed()) return s;
    range = {piece.end(), range.length - piece.length};
  }
  return Status::success();
}

// Advice: where there is no way to follow it, it has been followed.
Status Backend::do_trim(Range range) noexcept {
  // Clipped to units of the discard granularity, it is whole sectors.
  for (const Method method : plan_trim({facts_.kind, true, false, true, abilities_.unsupported()})) {
    const int error = attempt(Op::trim, method, range);
    if (error == EBUSY) return Status::success();  // somebody else uses the device's cached pages: another time
    if (verdict(error) == Verdict::failed) return answer(error);
    if (error == 0) {
      dense_.store(false, std::memory_order_relaxed);
      return Status::success();
    }
  }
  return Status::success();
}

// Returns 0 or an errno; counts, remembers and logs it.
int Backend::attempt(Op op, Method method, Range range) noexcept {
  const std::int64_t start = sys_.now();
  const int error = -call(sys_, fd_.get(), method, range);
  abilities_.count(method, range.length, error, static_cast<std::uint64_t>(sys_.now() - start));
  zero_metrics_.count(op, method, outcome_of(error));
  if (host_.logs(Level::debug)) log_attempt(op, range, method, error);
  if (verdict(error) == Verdict::unsupported && abilities_.found_unsupported(method))
    log_discovery(name(method), error);
  return error;
}

}  // namespace ashlar::fileops
