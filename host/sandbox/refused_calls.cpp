#include "sandbox/refused_calls.hpp"

#include <seccomp.h>

#include <cerrno>
#include <iterator>
#include <new>
#include <stdexcept>

namespace ashlar::host {
namespace {

// connect is the last. What is missing here may be made: a list of what may be made would break modules and libraries
// that make others.
constexpr const char* calls[] = {
    // other programs and processes
    "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
    "personality", "modify_ldt", "userfaultfd", "unshare", "setns", "perf_event_open", "lookup_dcookie",
    // the tree of files
    "mount", "umount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "mount_setattr", "mknod", "mknodat", "open_by_handle_at", "name_to_handle_at", "fanotify_init",
    "quotactl", "quotactl_fd", "swapon", "swapoff", "acct",
    // the kernel
    "bpf", "init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "reboot",
    "iopl", "ioperm", "syslog", "nfsservctl", "vhangup", "uselib", "ustat", "sysfs", "_sysctl", "add_key", "keyctl",
    "request_key", "sethostname", "setdomainname", "settimeofday", "stime", "clock_settime", "clock_settime64",
    "adjtimex", "clock_adjtime", "clock_adjtime64",
    // others
    "connect"};

}  // namespace

std::span<const char* const> RefusedCalls::names(bool connect) {
  return std::span(calls).first(std::size(calls) - (connect ? 1 : 0));
}

RefusedCalls::RefusedCalls(bool connect) : filter_(::seccomp_init(SCMP_ACT_ALLOW)) {
  if (filter_ == nullptr) throw std::bad_alloc();
  ::seccomp_attr_set(filter_, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));
  ::seccomp_attr_set(filter_, SCMP_FLTATR_CTL_TSYNC, 1);
  ::seccomp_attr_set(filter_, SCMP_FLTATR_CTL_SSB, 1);       // without it, kernels before 5.16 make all code slower
  ::seccomp_attr_set(filter_, SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree instead of a list
  for (const char* const name : names(connect)) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number < 0) continue;  // unknown to this library, or not of this machine
    if (const int error = ::seccomp_rule_add(filter_, SCMP_ACT_ERRNO(EPERM), number, 0); error != 0) {
      ::seccomp_release(filter_);
      throw std::runtime_error(std::string("seccomp: ") + name + " cannot be refused");
    }
  }
}

RefusedCalls::~RefusedCalls() { ::seccomp_release(filter_); }

int RefusedCalls::refuse() noexcept { return -::seccomp_load(filter_); }

}  // namespace ashlar::host
