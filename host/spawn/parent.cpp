#include "spawn/parent.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace ashlar::host {
namespace {

// Whether `parent` has adopted this process, and had not started it. A child is in the session of its parent, unless it
// leads one of its own. (setsid(2), PR_SET_CHILD_SUBREAPER)
bool has_adopted_us(pid_t parent) {
  const pid_t session = ::getsid(0);
  return session != ::getpid() && session != ::getsid(parent);
}

}  // namespace

// A descriptor rather than PR_SET_PDEATHSIG, which comes already when the thread has ended that started the server, and
// never when the server has become another user.
Parent::Parent() {
  const pid_t parent = ::getppid();
  if (parent == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    return;
  }
  fd_ = static_cast<int>(::syscall(SYS_pidfd_open, parent, 0));
  const int error = errno;
  gone_ = (fd_ < 0 && error == ESRCH) || ::getppid() != parent || has_adopted_us(parent);
  if (fd_ < 0 && !gone_) throw std::system_error(error, std::generic_category(), "--exit-with-parent: pidfd_open");
}

}  // namespace ashlar::host
