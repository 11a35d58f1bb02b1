#include "fileops/probe/probe.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "fileops/errno_text.hpp"
#include "fileops/facts.hpp"
#include "fileops/file_system.hpp"
#include "fileops/open.hpp"

namespace ashlar::fileops {
namespace {

[[noreturn]] void fail(const std::string& path, int error) { throw OpenError(path, error, errno_message(error)); }

Fd open_at(const std::string& path, int flags, mode_t mode = 0) {
  return Fd{retry([&] {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode);
    return fd < 0 ? -errno : fd;
  })};
}

std::string file_system_name(int fd) {
  const FileSystem fs = file_system_of_file(fd);
  if (fs.name != nullptr) return fs.name;
  if (fs.type == 0) return "an unknown file system";
  std::array<char, 48> text;
  std::snprintf(text.data(), text.size(), "a file system of type 0x%lx", fs.type);
  return text.data();
}

// A hole of scratch_bytes in `folder` that has no name, so that nothing of it stays, whatever happens; where that is
// not possible, one whose name is removed at once. A negative errno number if there can be none.
Fd open_nameless(const std::string& folder) {
  if (Fd fd = open_at(folder, O_TMPFILE | O_RDWR, 0600); fd.valid() || (fd.get() != -EOPNOTSUPP && fd.get() != -EISDIR))
    return fd;
  std::string name = folder + "/.ashlar-probe-XXXXXX";
  Fd fd{retry([&name] {
    const int result = ::mkostemp(name.data(), O_CLOEXEC);
    return result < 0 ? -errno : result;
  })};
  if (fd.valid()) ::unlink(name.c_str());
  return fd;
}

// The size comes first, as a file that grows by writing gets space ahead on some file systems, which would look like
// provisioned zeroes.
Fd open_scratch(const std::string& folder) {
  Fd fd = open_nameless(folder);
  if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(scratch_bytes)) == 0) return fd;
  return Fd{-errno};
}

Finding about_direct(int fd, Facts facts) {
  const Fd direct = open_at("/proc/self/fd/" + std::to_string(fd), O_RDONLY | O_DIRECT);
  if (!direct.valid())
    return {"direct", Supported::no, std::string(errno_text(-direct.get())) + ": direct = true is not possible there"};
  if (const std::string why_not = find_direct_facts(direct.get(), facts); !why_not.empty())
    return {"direct", Supported::no, why_not};
  return {"direct", Supported::yes,
          "requests in multiples of " + std::to_string(facts.direct_block) + " bytes, memory of " +
              std::to_string(facts.memory_block)};
}

Finding about_holes(int fd) {
  if (file_system_of_file(fd).tells_data_at_once)
    return {"read_holes", Supported::yes,
            "reads leave holes out; this file system tells of data as soon as it is written"};
  return {"read_holes", Supported::no, "reads read holes, too: data just written may be told as one"};
}

void tell(const ProbeReport& report, const Findings& findings) {
  for (const Finding& f : findings) report.row(f.name, f.supported, f.note);
}

void probe_device(const ProbeRequest& request, int fd, const struct stat& status) {
  Syscalls syscalls;
  const Facts facts = find_facts(Kind::block, fd, status);
  const std::string sysfs = sysfs_folder(status.st_rdev);
  std::optional<DeviceLimits> limits;
  const auto zeroes = device_number(sysfs, "queue/write_zeroes_max_bytes");
  const auto discard = device_number(sysfs, "queue/discard_max_bytes");
  if (zeroes && discard) limits = DeviceLimits{*zeroes, *discard};
  const bool write_protected = device_number(sysfs, "ro").value_or(0) != 0;

  request.report.kind(write_protected ? "block device, set read-only" : "block device");
  tell(request.report, ask(syscalls, fd, facts, limits));
  if (facts.size >= 4096) tell(request.report, ask_about_reading(syscalls, fd, 0));
  tell(request.report, {about_direct(fd, facts)});
}

// The folder to try things in.
std::string folder_of(const std::string& path, bool is_folder) {
  if (is_folder) return path;
  const auto slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

void only_ask(const ProbeRequest& request, int fd, const struct stat& status) {
  Syscalls syscalls;
  const bool is_folder = S_ISDIR(status.st_mode);
  const Facts facts = is_folder ? Facts{} : find_facts(Kind::file, fd, status);
  tell(request.report, ask(syscalls, fd, facts, std::nullopt));
  tell(request.report, {about_holes(fd)});
  if (is_folder) return;
  if (facts.size >= 4096) tell(request.report, ask_about_reading(syscalls, fd, 0));
  tell(request.report, {about_direct(fd, facts)});
}

void probe_file(const ProbeRequest& request, int fd, const struct stat& status) {
  const bool is_folder = S_ISDIR(status.st_mode);
  request.report.kind((is_folder ? "folder on " : "file on ") + file_system_name(fd));
  if (request.only_ask) return only_ask(request, fd, status);
  // A name may be a link: what is beside the file itself counts.
  const std::unique_ptr<char, void (*)(void*)> real{::realpath(request.path, nullptr), &std::free};
  const Fd scratch = open_scratch(folder_of(real != nullptr ? real.get() : request.path, is_folder));
  if (!scratch.valid()) {
    request.report.row(
        "scratch", Supported::no,
        std::string(errno_text(-scratch.get())) + ": no file can be made there, so the kernel is only asked");
    return only_ask(request, fd, status);
  }
  Syscalls syscalls;
  tell(request.report, try_on_scratch(syscalls, scratch.get()));
  tell(request.report, {about_holes(scratch.get())});
  struct stat of_scratch = {};
  if (::fstat(scratch.get(), &of_scratch) == 0)
    tell(request.report, {about_direct(scratch.get(), find_facts(Kind::file, scratch.get(), of_scratch))});
}

}  // namespace

void probe(const ProbeRequest& request, bool block_only) {
  // Looked at before it is opened: opening a pipe or a tape has effects.
  struct stat before = {}, opened = {};
  if (::stat(request.path, &before) != 0) fail(request.path, errno);
  const bool is_device = S_ISBLK(before.st_mode);
  if (block_only && !is_device)
    throw OpenError(request.path, ENOTBLK, "it is not a block device; the file plugin takes it");
  if (!is_device && !S_ISREG(before.st_mode) && !S_ISDIR(before.st_mode))
    throw OpenError(request.path, EINVAL, "it is neither a file nor a folder nor a block device");
  const Fd fd = open_at(request.path, O_RDONLY | O_NONBLOCK);
  if (!fd.valid()) fail(request.path, -fd.get());
  if (::fstat(fd.get(), &opened) != 0) fail(request.path, errno);
  if (opened.st_mode != before.st_mode || opened.st_ino != before.st_ino || opened.st_dev != before.st_dev)
    throw OpenError(request.path, ESTALE, "it was replaced while it was being opened; try again");
  if (is_device) probe_device(request, fd.get(), opened);
  else probe_file(request, fd.get(), opened);
}

}  // namespace ashlar::fileops
