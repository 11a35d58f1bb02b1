// What can be found out without writing.
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "fileops/call.hpp"
#include "fileops/errno_text.hpp"
#include "fileops/probe/probe.hpp"

namespace ashlar::fileops {
namespace {

// A call through a descriptor that may only read, behind the end: whatever the kernel makes of it, nothing is changed.
int refusal(Syscalls& syscalls, int fd, const Facts& facts, Method method) {
  const std::uint64_t end = (facts.size + 4095) / 4096 * 4096;
  return -call(syscalls, fd, method, {end, 4096});
}

std::string bytes_text(std::uint64_t bytes) { return std::to_string(bytes) + " bytes"; }

// The call is there: what the device makes of it.
Finding about_device(Method method, const std::optional<DeviceLimits>& limits) {
  if (!limits) return {name(method), Supported::unknown, "the kernel has the call; the device's limits are not told"};
  const std::string by_device =
      "the device zeroes by itself, up to " + bytes_text(limits->write_zeroes_max) + " in one command";
  switch (method) {
    case Method::punch_hole:
      return limits->write_zeroes_max != 0 ? Finding{name(method), Supported::yes, by_device}
                                           : Finding{name(method), Supported::no, "the device cannot zero by itself"};
    case Method::blkdiscard:
      return limits->discard_max != 0
                 ? Finding{name(method), Supported::yes,
                           "for trim, up to " + bytes_text(limits->discard_max) + " in one command"}
                 : Finding{name(method), Supported::no, "the device cannot discard"};
    default:
      return {name(method), Supported::yes, limits->write_zeroes_max != 0 ? by_device : "the kernel writes the zeroes"};
  }
}

Finding about_method(Syscalls& syscalls, int fd, const Facts& facts, const std::optional<DeviceLimits>& limits,
                     Method method) {
  const int error = refusal(syscalls, fd, facts, method);
  if (verdict(error) == Verdict::unsupported)
    return {name(method), Supported::no, std::string(errno_text(error)) + ": the kernel refuses the call"};
  if (error != EBADF)
    return {name(method), Supported::unknown, std::string(errno_text(error)) + ": the kernel does not tell"};
  if (facts.kind == Kind::block) return about_device(method, limits);
  return {name(method), Supported::unknown, "the kernel has the call; whether the file system takes it was not tried"};
}

std::string alignment(const Facts& facts) {
  std::string text = "sectors of " + bytes_text(facts.sector) + ": what sticks out of whole sectors is written";
  return text;
}

std::string granularity(const Facts& facts) {
  std::string text = "in units of " + bytes_text(facts.discard_block);
  if (facts.discard_phase != 0) text += " from byte " + std::to_string(facts.discard_phase) + " on";
  return text;
}

Finding about_fast(const Findings& methods) {
  const bool yes = methods.front().supported == Supported::yes;
  return {"fast_zero", methods.front().supported,
          yes ? "punch_hole, for whole sectors of zeroes that may deallocate" : "always refused; clients write"};
}

// What follows for zero and trim on a device.
void add_summary(const Facts& facts, Findings& all) {
  const auto any = [&all](std::initializer_list<Method> methods) {
    Supported best = Supported::no;
    for (const Method method : methods)
      for (const Finding& f : all)
        if (f.name == name(method) && f.supported != Supported::no && best != Supported::yes) best = f.supported;
    return best;
  };
  const Supported zero = any({Method::punch_hole, Method::zero_range, Method::blkzeroout});
  const Supported trim = any({Method::punch_hole, Method::blkdiscard});
  const Finding fast = about_fast(all);
  all.push_back({"zero", zero, zero == Supported::no ? "zeroes are written instead" : alignment(facts)});
  all.push_back(fast);
  all.push_back({"trim", trim, trim == Supported::no ? "succeeds, having done nothing" : granularity(facts)});
  all.push_back({"extents", Supported::no, "the kernel tells nothing of a device: all of it is told as data"});
}

}  // namespace

Findings ask_about_reading(Syscalls& syscalls, int fd, std::uint64_t offset) {
  Findings all;
  std::array<std::byte, 4096> bytes;
  static_cast<void>(retry([&] { return syscalls.read(fd, bytes.data(), bytes.size(), offset, 0); }));  // into the cache
  const auto n = retry([&] { return syscalls.read(fd, bytes.data(), bytes.size(), offset, RWF_NOWAIT); });
  if (n >= 0 || n == -EAGAIN)
    all.push_back({"read_nowait", Supported::yes, "reads of what is in memory never wait (RWF_NOWAIT)"});
  else
    all.push_back({"read_nowait", Supported::no,
                   std::string(errno_text(static_cast<int>(-n))) + ": small reads run on trust that they do not wait"});
  const auto cached = syscalls.cached_pages(fd, offset, bytes.size());
  if (cached >= 0)
    all.push_back({"cachestat", Supported::yes, "large reads of what is in memory are sent without a copy"});
  else
    all.push_back(
        {"cachestat", Supported::no, std::string(errno_text(static_cast<int>(-cached))) + ": large reads are copied"});
  return all;
}

Findings ask(Syscalls& syscalls, int fd, const Facts& facts, const std::optional<DeviceLimits>& limits) {
  Findings all;
  if (facts.kind == Kind::block) {
    for (const Method method : {Method::punch_hole, Method::zero_range, Method::blkzeroout, Method::blkdiscard})
      all.push_back(about_method(syscalls, fd, facts, limits, method));
    add_summary(facts, all);
  } else {
    for (const Method method :
         {Method::punch_hole, Method::write_zeroes, Method::zero_range, Method::punch_and_allocate})
      all.push_back(about_method(syscalls, fd, facts, limits, method));
  }
  return all;
}

}  // namespace ashlar::fileops
