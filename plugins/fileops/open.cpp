#include "open.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>

#include "errno_text.hpp"
#include "facts.hpp"

namespace ashlar::fileops {
namespace {

[[noreturn]] void fail(const OpenOptions& options, int error, const std::string& hint = "") {
  throw OpenError(options.path, error, errno_message(error) + hint);
}

// What can be served is a regular file or a block device.
Kind kind_of(const OpenOptions& options, mode_t mode) {
  const char* what = "neither a regular file nor a block device";
  switch (mode & S_IFMT) {
    case S_IFREG:
      if (options.block_only)
        throw OpenError(options.path, ENOTBLK, "it is a regular file, not a block device; the file plugin serves it");
      if (options.exclusive)
        throw OpenError(options.path, ENOTBLK, "exclusive = true is for a block device, and it is a regular file");
      return Kind::file;
    case S_IFBLK: return Kind::block;
    case S_IFDIR: what = "a directory"; break;
    case S_IFCHR: what = "a character device"; break;
    case S_IFIFO: what = "a pipe"; break;
    case S_IFSOCK: what = "a socket"; break;
    default: break;
  }
  throw OpenError(
      options.path, (mode & S_IFMT) == S_IFDIR ? EISDIR : EINVAL,
      std::string("it is ") + what + (options.block_only ? "" : "; a regular file or a block device is needed"));
}

std::string hint_for(const OpenOptions& options, int error) {
  if (error == EBUSY && options.exclusive) return "; is it mounted? exclusive = false opens it all the same";
  if (error == EINVAL && options.direct) return "; direct = true is not possible there";
  return "";
}

Identity identity_of(Kind kind, const struct stat& status) {
  if (kind == Kind::file) return {kind, status.st_dev, status.st_ino, 0};
  return {kind, status.st_rdev, 0, device_number(sysfs_folder(status.st_rdev), "diskseq").value_or(0)};
}

// `status`: of what was opened.
Fd open_fd(const OpenOptions& options, const Identity& identity, int more, struct stat& status) {
  const int flags = (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | more;
  Fd fd{retry([&] {
    const int result = ::open(options.path.c_str(), flags);
    return result < 0 ? -errno : result;
  })};
  if (!fd.valid()) fail(options, -fd.get(), hint_for(options, -fd.get()));
  if (::fstat(fd.get(), &status) != 0) fail(options, errno);
  if ((status.st_mode & S_IFMT) != (identity.kind == Kind::file ? S_IFREG : S_IFBLK) ||
      identity_of(identity.kind, status) != identity)
    throw OpenError(options.path, ESTALE, "it was replaced while it was being opened; try again");
  return fd;
}

}  // namespace

OpenError::OpenError(const std::string& path, int error, const std::string& why)
    : std::system_error(error, std::generic_category()), text_("cannot open '" + path + "': " + why) {}

Identity identify(const OpenOptions& options) {
  struct stat status;
  if (::stat(options.path.c_str(), &status) != 0) fail(options, errno);
  return identity_of(kind_of(options, status.st_mode), status);
}

std::unique_ptr<Backend> open_backend(const OpenOptions& options, const Identity& identity, Syscalls& syscalls,
                                      Host host) {
  const Kind kind = identity.kind;
  const int exclusive = kind == Kind::block && options.exclusive ? O_EXCL : 0;
  struct stat opened;
  Fd fd = open_fd(options, identity, exclusive | (options.direct ? O_DIRECT : 0), opened);

  // A device that is set read-only lets itself be opened for writing, and then refuses each write.
  int protected_device = 0;
  if (kind == Kind::block && !options.read_only && ::ioctl(fd.get(), BLKROGET, &protected_device) == 0 &&
      protected_device != 0)
    fail(options, EROFS, hint_for(options, EROFS));

  Facts facts = find_facts(kind, fd.get(), opened);
  facts.read_only = options.read_only;
  facts.manual_zeroing = options.manual_zeroing;
  if (!options.extents) facts.holes = Holes::unknown;
  Fd buffered;
  if (options.direct) {
    if (const std::string why_not = find_direct_facts(fd.get(), facts); !why_not.empty())
      throw OpenError(options.path, EINVAL, why_not);
    // Not exclusively, which is possible once only and lasts as long as the first.
    buffered = open_fd(options, identity, 0, opened);
  }
  return std::make_unique<Backend>(facts, std::move(fd), std::move(buffered), syscalls, host);
}

}  // namespace ashlar::fileops
