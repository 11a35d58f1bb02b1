// The fault matrix: every call x every errno x once or always x kind x flags x alignment x abilities, generated.
// Whatever happens, the disk and the answer must be right.
#include <cstring>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

constexpr int errors[] = {EOPNOTSUPP, ENOSYS, ENOTTY, ENODEV, EINVAL, EINTR, EIO, ENOSPC, EPERM, EBUSY};
constexpr int short_write = -7;  // instead of an errno: writes stop after 7 bytes

struct Case {
  Kind kind;
  Range range;
  Flags flags;
  Call call;
  int error;
  bool always;
  std::vector<Call> lacking;

  std::string text() const {
    std::string t = std::string(ashlar::fileops::name(kind)) + " " + std::to_string(range.length) + "@" +
                    std::to_string(range.offset) + " flags " + std::to_string(flags.bits()) + ": " +
                    testing::name(call);
    t += error == short_write ? " short" : std::string(" ") + strerrorname_np(error);
    t += always ? " always, lacking" : " once, lacking";
    for (const Call c : lacking) t += std::string(" ") + testing::name(c);
    return t;
  }
};

bool unsupported(int error) { return error == EOPNOTSUPP || error == ENOSYS || error == ENOTTY || error == ENODEV; }
bool skipped(int error) { return error == EINVAL || error == EBUSY; }

template <class Run>
void for_all(std::initializer_list<Flags> all_flags, std::initializer_list<Call> calls, Run&& run) {
  const std::vector<Call> abilities[] = {
      {},                                                   // a file system with everything
      {Call::write_zeroes},                                 // before 6.17
      {Call::write_zeroes, Call::zero_range},               // NFS 4.2, tmpfs
      {Call::write_zeroes, Call::zero_range, Call::punch},  // before 4.9 on a device
      {Call::write_zeroes, Call::zero_range, Call::punch, Call::blkzeroout, Call::blkdiscard},
  };
  const Range ranges[] = {{64 * K, 64 * K}, {64 * K + 1, 64 * K}, {4095, 2}, {512, 10}, {M - 5000, 5000}, {0, M}};
  std::vector<int> all_errors(std::begin(errors), std::end(errors));
  all_errors.push_back(short_write);
  for (const Kind kind : {Kind::file, Kind::block})
    for (const Range range : ranges)
      for (const Flags flags : all_flags)
        for (const auto& lacking : abilities)
          for (const Call call : calls)
            for (const int error : all_errors)
              for (const bool always : {false, true}) {
                if (error == short_write && call != Call::write) continue;
                run(Case{kind, range, flags, call, error, always && error != EINTR, lacking});
              }
}

// What was injected, how often.
struct Injector {
  std::size_t hits = 0;
  std::function<int(Call)> fault(const Case& c) {
    return [this, &c](Call call) {
      if (call != c.call || (!c.always && hits > 0)) return 0;
      ++hits;
      return -c.error;
    };
  }
};

// Methods that have been answered "unsupported" and so must be remembered, from the calls that were made.
Methods to_remember(const Case& c, const Bench& b, std::size_t hits) {
  Methods all;
  const auto note = [&](Call call, Method method) {
    const bool lacks = std::find(c.lacking.begin(), c.lacking.end(), call) != c.lacking.end();
    const bool injected = call == c.call && hits > 0 && unsupported(c.error);
    if (b.disk.count(call) != 0 && (lacks || injected)) all = all | method;
  };
  note(Call::zero_range, Method::zero_range);
  note(Call::write_zeroes, Method::write_zeroes);
  note(Call::allocate, Method::punch_and_allocate);
  note(Call::blkzeroout, Method::blkzeroout);
  note(Call::blkdiscard, Method::blkdiscard);
  // Punching belongs to two methods: which of them was tried depends on the flag.
  const bool as_step = c.kind == Kind::file && !c.flags.has(Flag::may_trim);
  note(Call::punch, as_step ? Method::punch_and_allocate : Method::punch_hole);
  return all;
}

// Whether a rule holds; else the case is wrong, and this says by which. Hundreds of thousands of assertions would take
// minutes under a sanitizer.
#define MUST(rule)             \
  do {                         \
    if (!(rule)) return #rule; \
  } while (false)

const char* check_zero(const Case& c) {
  Bench b(c.kind);
  b.disk.lacking = c.lacking;
  Injector injector;
  b.disk.fault = injector.fault(c);
  const int status = b.zero(c.range, c.flags);
  const bool fast = c.flags.has(Flag::fast), fua = c.flags.has(Flag::fua), may_trim = c.flags.has(Flag::may_trim);
  const auto& cells = b.disk.cells;

  // No byte outside the range changes; no forbidden call is made.
  MUST(only(b.disk, c.range, M));
  MUST(!b.disk.mode_0_on_device);
  MUST(b.disk.count(Call::blkdiscard) == 0);
  if (status == 0) {
    MUST(cells.holds(c.range, 0));
    if (!may_trim) MUST(cells.provisioned(c.range));
    MUST(b.disk.count(Call::fdatasync) == (fua ? (c.call == Call::fdatasync ? 1 + injector.hits : 1) : 0));
    if (fua) MUST(b.disk.calls.back().first == Call::fdatasync);
  }
  // A real error that happened is the answer; what only means "another way" never is.
  const bool is_method = c.call != Call::write && c.call != Call::fdatasync;
  const bool lacks = std::find(c.lacking.begin(), c.lacking.end(), c.call) != c.lacking.end();
  const bool real = is_method ? !unsupported(c.error) && !skipped(c.error) && c.error != EINTR
                              : c.error != EINTR && c.error != short_write;
  if (injector.hits > 0 && !lacks && real) MUST(status == (c.error == EOPNOTSUPP ? EIO : c.error));
  else MUST((status == 0 || status == ENOTSUP));
  // FAST that fails with ENOTSUP has touched nothing.
  if (status == ENOTSUP && fast) MUST(cells.untouched({0, M}));
  MUST(b.unsupported() == to_remember(c, b, lacks ? 0 : injector.hits));

  // What zero leaves to be written, writing does.
  b.disk.fault = nullptr;
  if (status == ENOTSUP) MUST(b.write(c.range, 0) == 0);
  if (status == ENOTSUP) MUST((cells.holds(c.range, 0) && cells.provisioned(c.range) && only(b.disk, c.range, M)));
  // What was found unsupported is not tried again.
  const Methods known = b.unsupported();
  b.disk.calls.clear();
  (void)b.zero(c.range, c.flags);
  if (known.has(Method::zero_range)) MUST(b.disk.count(Call::zero_range) == 0);
  if (known.has(Method::write_zeroes)) MUST(b.disk.count(Call::write_zeroes) == 0);
  if (known.has(Method::punch_and_allocate)) MUST(b.disk.count(Call::allocate) == 0);
  if (known.has(Method::punch_hole)) MUST(b.disk.count(Call::punch) == 0);
  if (known.has(Method::blkzeroout)) MUST(b.disk.count(Call::blkzeroout) == 0);
  return nullptr;
}

const char* check_trim(const Case& c) {
  Bench b(c.kind);
  b.disk.lacking = c.lacking;
  Injector injector;
  b.disk.fault = injector.fault(c);
  const int status = b.trim(c.range, c.flags);
  const bool lacks = std::find(c.lacking.begin(), c.lacking.end(), c.call) != c.lacking.end();

  MUST(only(b.disk, c.range, M));
  MUST(!b.disk.mode_0_on_device);
  const bool real =
      c.call == Call::fdatasync ? c.error != EINTR : !unsupported(c.error) && !skipped(c.error) && c.error != EINTR;
  MUST(status == (injector.hits > 0 && !lacks && real ? (c.error == EOPNOTSUPP ? EIO : c.error) : 0));
  MUST(b.unsupported() == to_remember(c, b, lacks ? 0 : injector.hits));
  if (status == 0 && c.flags.has(Flag::fua)) MUST(b.disk.calls.back().first == Call::fdatasync);
  return nullptr;
}

}  // namespace

TEST_CASE("fault matrix: zero") {
  int cases = 0;
  for_all({Flag::none, Flag::may_trim, Flag::fast, Flag::fua, Flag::fast | Flag::may_trim, Flag::fua | Flag::may_trim,
           Flag::fast | Flag::may_trim | Flag::fua},
          {Call::punch, Call::zero_range, Call::write_zeroes, Call::allocate, Call::blkzeroout, Call::write,
           Call::fdatasync},
          [&cases](const Case& c) {
            if (const char* broken = check_zero(c)) FAIL(c.text() << ": " << broken);
            ++cases;
          });
  REQUIRE(cases > 30'000);
}

TEST_CASE("fault matrix: trim") {
  int cases = 0;
  for_all({Flag::may_trim, Flag::may_trim | Flag::fua}, {Call::punch, Call::blkdiscard, Call::fdatasync},
          [&cases](const Case& c) {
            if (const char* broken = check_trim({c.kind, c.range, c.flags, c.call, c.error, c.always, c.lacking}))
              FAIL(c.text() << ": " << broken);
            ++cases;
          });
  REQUIRE(cases > 3'000);
}
