#include "zero_plan.hpp"

#include <cerrno>

namespace ashlar::fileops {
namespace {

enum class On : std::uint8_t { file, block, both };
enum class When : std::uint8_t { may_trim, may_not_trim, always };

struct Rung {
  Method method;
  On on;         // where it works
  When when;     // which zeroes it answers rightly
  bool fast[2];  // by Kind: fast or refused, never slow
};

constexpr bool yes = true, no = false;

// From the top down. Fast on a file means that metadata alone is changed; on a block device PUNCH_HOLE is done by the
// device or refused (BLKDEV_ZERO_NOFALLBACK), while ZERO_RANGE and BLKZEROOUT fall back to writing pages of zeroes in
// the kernel.
//
// WRITE_ZEROES stands before ZERO_RANGE for provisioned zeroes on a file: file systems offer it only where the device
// zeroes by itself, and leave written extents, so that a later write cannot fail for space and changes no metadata. It
// is not for block devices, where it lets the device unmap the range, nor for FAST, as it may still end in writing.
// PUNCH_AND_ALLOCATE is not for FAST: when its second half is refused, data has been touched.
constexpr Rung zero_ladder[] = {
    {Method::punch_hole, On::both, When::may_trim, {yes, yes}},
    {Method::write_zeroes, On::file, When::may_not_trim, {no, no}},
    {Method::zero_range, On::both, When::always, {yes, no}},
    {Method::punch_and_allocate, On::file, When::may_not_trim, {no, no}},
    {Method::blkzeroout, On::block, When::always, {no, no}},
};

// BLKDISCARD is for trim alone: what is read afterwards need not be zeroes.
constexpr Rung trim_ladder[] = {
    {Method::punch_hole, On::both, When::always, {yes, yes}},
    {Method::blkdiscard, On::block, When::always, {yes, yes}},
};

bool fits(const Rung& rung, const Question& q) {
  if (q.unsupported.has(rung.method)) return false;
  if (rung.method == Method::punch_and_allocate && q.unsupported.has(Method::punch_hole)) return false;
  if (rung.on != On::both && (rung.on == On::block) != (q.kind == Kind::block)) return false;
  if (q.kind == Kind::block && !q.aligned) return false;  // a device refuses parts of sectors
  if (rung.when != When::always && (rung.when == When::may_trim) != q.may_trim) return false;
  return !q.fast || rung.fast[static_cast<std::size_t>(q.kind)];
}

template <std::size_t N>
Plan plan(const Rung (&ladder)[N], const Question& question) {
  Plan result;
  for (const Rung& rung : ladder)
    if (fits(rung, question)) result.add(rung.method);
  return result;
}

}  // namespace

Plan plan_zero(const Question& question) { return plan(zero_ladder, question); }
Plan plan_trim(const Question& question) { return plan(trim_ladder, question); }

Verdict verdict(int error) {
  switch (error) {
    case 0: return Verdict::done;
    case EOPNOTSUPP:  // ENOTSUP is the same number on Linux
    case ENOSYS:
    case ENOTTY:
    case ENODEV: return Verdict::unsupported;
    case EINVAL:  // not this range
    case EBUSY:   // a block device whose cached pages somebody else is using just now; nothing was changed
      return Verdict::not_here;
    default: return Verdict::failed;
  }
}

}  // namespace ashlar::fileops
