#include "sandbox/landlock.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace ashlar::host {
namespace {

// The kernel's interface, which is newer in part than the header of Debian 12. (linux/landlock.h)
struct RulesetAttributes {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;  // from version 4 on
};
struct [[gnu::packed]] PathAttributes {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
};
constexpr unsigned ask_version = 1u << 0;
constexpr int rule_path_beneath = 1;

// LANDLOCK_ACCESS_FS_…
constexpr std::uint64_t execute = 1u << 0, write_file = 1u << 1, read_file = 1u << 2, read_dir = 1u << 3,
                        remove_dir = 1u << 4, remove_file = 1u << 5, make_char = 1u << 6, make_dir = 1u << 7,
                        make_reg = 1u << 8, make_sock = 1u << 9, make_fifo = 1u << 10, make_block = 1u << 11,
                        make_sym = 1u << 12, refer = 1u << 13, truncate_file = 1u << 14;
constexpr std::uint64_t connect_tcp = 1u << 1;  // LANDLOCK_ACCESS_NET_CONNECT_TCP
constexpr std::uint64_t of_version_1 = execute | write_file | read_file | read_dir | remove_dir | remove_file |
                                       make_char | make_dir | make_reg | make_sock | make_fifo | make_block | make_sym;
constexpr std::uint64_t of_a_file = write_file | read_file | truncate_file;

// What a kernel of that version can bound, of what is bounded here.
std::uint64_t handled(int version) {
  return of_version_1 | (version >= 2 ? refer : 0) | (version >= 3 ? truncate_file : 0);
}

std::uint64_t rights(FileAccess access) {
  switch (access) {
    case FileAccess::remove_folders: return remove_dir;
    case FileAccess::sockets: return read_dir | make_sock | remove_file;
    case FileAccess::read: return read_file | read_dir;
    case FileAccess::write: break;
  }
  return read_file | read_dir | write_file | truncate_file | make_reg | make_dir | make_sym | make_sock | remove_file |
         remove_dir | refer;
}

// Without them a path may still be opened by other grants: that is no failure.
void add_rule(int ruleset, int version, const Grant& grant) {
  const int fd = ::open(grant.path.c_str(), O_PATH | O_CLOEXEC);
  if (fd < 0) return;
  struct stat there {};
  const bool is_folder = ::fstat(fd, &there) == 0 && S_ISDIR(there.st_mode);
  PathAttributes rule{rights(grant.access) & handled(version) & (is_folder ? ~std::uint64_t{0} : of_a_file), fd};
  const long added =
      rule.allowed_access == 0 ? 0 : ::syscall(SYS_landlock_add_rule, ruleset, rule_path_beneath, &rule, 0u);
  const int error = errno;
  ::close(fd);
  if (added != 0) throw std::system_error(error, std::generic_category(), "Landlock: " + grant.path.string());
}

}  // namespace

int Landlock::version() noexcept {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, std::size_t{0}, ask_version);
  return version < 0 ? -errno : static_cast<int>(version);
}

Landlock::Landlock(int version, const Grants& grants, bool connect) : bounds_tcp_(version >= 4 && !connect) {
  const RulesetAttributes attributes{handled(version), bounds_tcp_ ? connect_tcp : 0};
  const std::size_t size = bounds_tcp_ ? sizeof attributes : sizeof attributes.handled_access_fs;
  fd_ = static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, size, 0u));
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "Landlock");
  try {
    for (const Grant& grant : grants.all()) add_rule(fd_, version, grant);
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

Landlock::~Landlock() { ::close(fd_); }

int Landlock::act() const noexcept {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return ::syscall(SYS_landlock_restrict_self, fd_, 0u) == 0 ? 0 : errno;
}

}  // namespace ashlar::host
