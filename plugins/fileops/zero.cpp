// zero and trim: the plan (zero_plan.hpp), acted out.
#include <algorithm>

#include "backend.hpp"
#include "call.hpp"

namespace ashlar::fileops {
namespace {

// Zero and trim up to this length may run on the connection's thread.
constexpr std::uint64_t inline_max = 4u << 20;

}  // namespace

// A file mostly changes its metadata in memory. A device may zero within microseconds, less than waking a worker takes,
// or write and wait: the first try tells.
bool Backend::may_run_inline(const Io& io) noexcept { return io.length() <= inline_max && !io.has(Flag::fua); }

Status Backend::zero(Io& io) noexcept {
  if (facts_.read_only) return Status{EPERM};
  if (facts_.manual_zeroing) return Status::not_supported();
  const Range range{io.offset(), io.length()};
  const bool may_trim = io.has(Flag::may_trim), fast = io.has(Flag::fast);
  if (io.has(Flag::nowait)) {
    if (!may_run_inline(io)) return Status::would_block();
    const Watch watch(facts_.kind == Kind::file ? calm_ : device_zero_calm_, sys_);
    return watch.may_run() ? zero_range(range, may_trim, fast) : Status::would_block();
  }
  const Status s = zero_range(range, may_trim, fast);
  return s.ok() && io.has(Flag::fua) ? sync() : s;
}

// A device zeroes whole sectors: what sticks out at the ends is written. The middle comes first, so that nothing was
// changed when there is no way to zero it; FAST is refused, as the ends would have to be written.
Status Backend::zero_range(Range range, bool may_trim, bool fast) noexcept {
  Question question{facts_.kind, may_trim, fast, true, abilities_.unsupported()};
  if (facts_.kind == Kind::file) return zero_by_plan(question, range);
  const Split parts = split(range, facts_.sector);
  question.aligned = parts.head.empty() && parts.tail.empty();
  if (question.aligned || fast) return zero_by_plan(question, range);

  question.aligned = true;
  if (!parts.middle.empty())
    if (const Status s = zero_by_plan(question, parts.middle); s.failed()) return s;
  if (const Status s = write_zeroes_at(parts.head); s.failed()) return s;
  return write_zeroes_at(parts.tail);
}

Status Backend::zero_by_plan(const Question& question, Range range) noexcept {
  for (const Method method : plan_zero(question)) {
    const int error = attempt("zero", method, range);
    switch (verdict(error)) {
      case Verdict::done:
        if (method != Method::write_zeroes) dense_.store(false, std::memory_order_relaxed);
        return Status::success();
      case Verdict::failed: return answer(error);
      case Verdict::unsupported:
      case Verdict::not_here: break;
    }
  }
  if (!question.fast) left_to_writing_.fetch_add(range.length, std::memory_order_relaxed);
  return Status::not_supported();
}

Status Backend::write_zeroes_at(Range range) noexcept {
  static constexpr std::byte zeroes[4096] = {};
  while (!range.empty()) {
    const Range piece{range.offset, std::min<std::uint64_t>(range.length, sizeof zeroes)};
    if (const Status s = write_all(zeroes, piece); s.failed()) return s;
    range = {piece.end(), range.length - piece.length};
  }
  return Status::success();
}

Status Backend::trim(Io& io) noexcept {
  if (facts_.read_only) return Status{EPERM};
  if (facts_.manual_zeroing) return Status::success();
  const Range range = clip_inward({io.offset(), io.length()}, facts_.discard_block, facts_.discard_phase);
  if (io.has(Flag::nowait)) {
    // A device waits for what it discards, and nobody waits for a trim.
    if (facts_.kind == Kind::block || !may_run_inline(io)) return Status::would_block();
    const Watch watch(calm_, sys_);
    return watch.may_run() ? trim_range(range) : Status::would_block();
  }
  const Status s = trim_range(range);
  return s.ok() && io.has(Flag::fua) ? sync() : s;
}

// Advice: where there is no way to follow it, it has been followed.
Status Backend::trim_range(Range range) noexcept {
  if (range.empty()) return Status::success();
  // Clipped to units of the discard granularity, it is whole sectors.
  for (const Method method : plan_trim({facts_.kind, true, false, true, abilities_.unsupported()})) {
    const int error = attempt("trim", method, range);
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
int Backend::attempt(const char* op, Method method, Range range) noexcept {
  const std::int64_t start = sys_.now();
  const int error = -call(sys_, fd_.get(), method, range);
  abilities_.count(method, range.length, error, static_cast<std::uint64_t>(sys_.now() - start));
  if (host_.logs(Level::debug)) log_attempt(op, range, method, error);
  if (verdict(error) == Verdict::unsupported && abilities_.found_unsupported(method)) log_discovery(method, error);
  return error;
}

}  // namespace ashlar::fileops
