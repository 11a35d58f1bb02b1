// Each method, tried on a scratch file.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fileops/call.hpp"
#include "fileops/errno_text.hpp"
#include "fileops/probe/probe.hpp"

namespace ashlar::fileops {
namespace {

constexpr std::uint64_t M = 1u << 20;
constexpr std::byte filler{0xa5};

// Where one method is tried: a mebibyte of data, which must stay; one of data and one of a hole, which become zeroes;
// and one of data again. Each method has a place of its own.
struct Place {
  std::uint64_t base;

  Range before() const { return {base, M}; }
  Range zeroed() const { return {base + M, 2 * M}; }
  Range after() const { return {base + 3 * M, M}; }
};
constexpr std::uint64_t place_bytes = 5 * M;  // a hole between them

// What became of the space: st_blocks, bytes. Half of what is at stake tells it from the file system's own blocks.
enum class Space { freed, kept, added };

struct Trial {
  int error = 0;              // of the method
  std::int64_t took = 0;      // nanoseconds, the method alone
  std::int64_t to_write = 0;  // to write two mebibytes, as many as it zeroes, to the storage
  Space space = Space::kept;
  bool right = false;  // the range reads as zeroes, and what is beside it as before
};

class Scratch {
 public:
  Scratch(Syscalls& syscalls, int fd) : sys_(syscalls), fd_(fd), buffer_(M) {}

  Trial trial(Method method);
  bool tells_holes();
  Finding write_flag(const char* name, int flag, const char* yes, const char* no);

  // The errno of the first call that prepares or checks something and has failed; findings mean nothing then.
  int failed() const { return failed_; }
  std::uint64_t next_place() { return std::exchange(next_, next_ + place_bytes); }

 private:
  void note(std::int64_t result) {
    if (result < 0 && failed_ == 0) failed_ = static_cast<int>(-result);
  }
  void fill(Range range);
  bool holds(Range range, std::byte byte);
  std::int64_t allocated();

  Syscalls& sys_;
  const int fd_;
  std::vector<std::byte> buffer_;
  std::uint64_t next_ = 0;
  int failed_ = 0;
};

void Scratch::fill(Range range) {
  std::fill(buffer_.begin(), buffer_.end(), filler);
  while (!range.empty() && failed_ == 0) {
    const auto length = std::min<std::uint64_t>(range.length, buffer_.size());
    const auto n = retry([&] { return sys_.write(fd_, buffer_.data(), length, range.offset, 0); });
    note(n == 0 ? -EIO : n);
    if (n > 0) range = {range.offset + static_cast<std::uint64_t>(n), range.length - static_cast<std::uint64_t>(n)};
  }
}

bool Scratch::holds(Range range, std::byte byte) {
  while (!range.empty() && failed_ == 0) {
    const auto length = std::min<std::uint64_t>(range.length, buffer_.size());
    const auto n = retry([&] { return sys_.read(fd_, buffer_.data(), length, range.offset, 0); });
    note(n);
    if (n <= 0) return false;
    const auto end = buffer_.begin() + n;
    if (std::find_if(buffer_.begin(), end, [byte](std::byte b) { return b != byte; }) != end) return false;
    range = {range.offset + static_cast<std::uint64_t>(n), range.length - static_cast<std::uint64_t>(n)};
  }
  return range.empty();
}

// Some file systems decide only when they write where data go.
std::int64_t Scratch::allocated() {
  note(retry([&] { return sys_.fdatasync(fd_); }));
  const std::int64_t bytes = sys_.allocated(fd_);
  note(bytes);
  return bytes;
}

Trial Scratch::trial(Method method) {
  const Place place{next_place()};
  Trial t;
  const std::int64_t start = sys_.now();
  fill(place.before());
  fill({place.zeroed().offset, M});
  note(retry([&] { return sys_.fdatasync(fd_); }));
  t.to_write = sys_.now() - start;
  fill(place.after());
  const std::int64_t before = allocated();
  if (failed_ != 0) return t;

  const std::int64_t called = sys_.now();
  t.error = -call(sys_, fd_, method, place.zeroed());
  t.took = sys_.now() - called;
  const std::int64_t change = allocated() - before;
  constexpr auto enough = static_cast<std::int64_t>(M / 2);
  t.space = change <= -enough ? Space::freed : change >= enough ? Space::added : Space::kept;
  t.right = holds(place.before(), filler) && holds(place.zeroed(), std::byte{0}) && holds(place.after(), filler);
  return t;
}

// Data, a hole, data: lseek(2) has to find the hole.
bool Scratch::tells_holes() {
  const std::uint64_t base = next_place();
  fill({base, M});
  fill({base + 3 * M, M});
  allocated();
  const auto hole = retry([&] { return sys_.seek(fd_, base, SEEK_HOLE); });
  if (hole < static_cast<std::int64_t>(base + M) || hole >= static_cast<std::int64_t>(base + 3 * M)) return false;
  const auto data = retry([&] { return sys_.seek(fd_, static_cast<std::uint64_t>(hole), SEEK_DATA); });
  return data > hole && data <= static_cast<std::int64_t>(base + 3 * M);
}

Finding Scratch::write_flag(const char* name, int flag, const char* yes, const char* no) {
  const std::uint64_t base = next_place();
  fill({base, M});
  const auto n = retry([&] { return sys_.write(fd_, buffer_.data(), 4096, base, flag); });
  if (n >= 0) return {name, Supported::yes, yes};
  return {name, Supported::no, std::string(errno_text(static_cast<int>(-n))) + ": " + no};
}

std::string microseconds(std::int64_t nanoseconds) { return std::to_string(nanoseconds / 1000) + " µs"; }

Finding about_method(Method method, const Trial& t) {
  const std::string error = errno_text(t.error);
  switch (verdict(t.error)) {
    case Verdict::unsupported: return {name(method), Supported::no, error + ": the file system or the kernel lacks it"};
    case Verdict::not_here: return {name(method), Supported::no, error + ": refused here; it is tried anew each time"};
    case Verdict::failed:
      return {name(method), Supported::unknown, error + ": " + errno_message(t.error) + "; clients get this error"};
    case Verdict::done: break;
  }
  if (!t.right) return {name(method), Supported::no, "it succeeds, but leaves something else than zeroes: do not use"};
  const std::string took = "; 2M in " + microseconds(t.took);
  if (method == Method::punch_hole)
    return {name(method), Supported::yes,
            (t.space == Space::freed ? "deallocates" : "zeroes, but the space is not freed") + took};
  return {name(method), Supported::yes,
          (t.space == Space::added  ? "zeroes, and what was a hole is provisioned"
           : t.space == Space::kept ? "zeroes what is allocated, but a hole stays one: later writes may lack space"
                                    : "zeroes, but the space is freed: later writes may lack space") +
              took};
}

struct Tried {
  Methods unsupported;
  std::vector<std::pair<Method, Trial>> trials;

  const Trial& of(Method method) const {
    return std::find_if(trials.begin(), trials.end(), [method](const auto& t) { return t.first == method; })->second;
  }
};

// The first method that the plan has for such a zero; none: null.
const Method* first(const Plan& plan) { return plan.begin() == plan.end() ? nullptr : plan.begin(); }

std::string name_or_written(const Method* method) {
  return method != nullptr ? name(*method) : "zeroes are written instead";
}

Finding about_zero(const Tried& tried) {
  const Plan holes = plan_zero({Kind::file, true, false, true, tried.unsupported});
  const Plan no_hole = plan_zero({Kind::file, false, false, true, tried.unsupported});
  return {
      "zero", first(holes) != nullptr && first(no_hole) != nullptr ? Supported::yes : Supported::no,
      "that may deallocate: " + name_or_written(first(holes)) + "; that may not: " + name_or_written(first(no_hole))};
}

// FAST is honest when zeroing is quicker than writing.
Finding about_fast(const Tried& tried) {
  const Plan plan = plan_zero({Kind::file, true, true, true, tried.unsupported});
  if (first(plan) == nullptr) return {"fast_zero", Supported::no, "always refused; clients write"};
  const Trial& t = tried.of(*first(plan));
  return {"fast_zero", t.took < t.to_write ? Supported::yes : Supported::no,
          std::string(name(*first(plan))) + ": 2M in " + microseconds(t.took) + ", writing them takes " +
              microseconds(t.to_write)};
}

Finding about_trim(const Tried& tried) {
  const Plan plan = plan_trim({Kind::file, true, false, true, tried.unsupported});
  if (first(plan) == nullptr) return {"trim", Supported::no, "succeeds, having done nothing"};
  return {"trim", Supported::yes, name(*first(plan))};
}

}  // namespace

Findings try_on_scratch(Syscalls& syscalls, int fd) {
  Scratch scratch(syscalls, fd);
  Findings all;
  Tried tried;
  for (const Method method :
       {Method::punch_hole, Method::write_zeroes, Method::zero_range, Method::punch_and_allocate}) {
    const Trial t = scratch.trial(method);
    if (scratch.failed() != 0) break;
    all.push_back(about_method(method, t));
    // As the zeroes of a served disk find their way: what does not do its work here is no way.
    if (all.back().supported == Supported::no) tried.unsupported = tried.unsupported | method;
    tried.trials.emplace_back(method, t);
  }
  if (scratch.failed() == 0) {
    all.push_back(about_zero(tried));
    all.push_back(about_fast(tried));
    all.push_back(about_trim(tried));
    const bool holes = scratch.tells_holes();
    all.push_back({"extents", holes ? Supported::yes : Supported::no,
                   holes ? "holes are told (SEEK_HOLE)" : "all of a file is told as data"});
    all.push_back(scratch.write_flag("write_dsync", RWF_DSYNC, "a durable write syncs its own range (RWF_DSYNC)",
                                     "a durable write syncs the whole file"));
    all.push_back(scratch.write_flag("write_nowait", RWF_NOWAIT,
                                     "the file system can keep writes from waiting (RWF_NOWAIT), which is not used",
                                     "small writes run on trust that they do not wait"));
    for (Finding& finding : ask_about_reading(syscalls, fd, 0)) all.push_back(std::move(finding));
  }
  if (scratch.failed() != 0)
    all.push_back({"scratch", Supported::no,
                   std::string(errno_text(scratch.failed())) + ": " + errno_message(scratch.failed()) +
                       "; nothing more could be tried"});
  return all;
}

}  // namespace ashlar::fileops
