// What it changes of the process, which is the host's.
#include <fcntl.h>
#include <fenv.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <cstring>

#include "liar.hpp"

namespace lying {
namespace {

Status first(Liar& p, Io& io, void (*change)()) noexcept {
  if (io.op() == Op::read && !p.layer.changed.exchange(true)) change();
  return p.honest(io);
}
Status changes_the_folder(Liar& p, Io& io) noexcept {
  return first(p, io, [] { static_cast<void>(!::chdir("/tmp")); });
}
Status changes_the_umask(Liar& p, Io& io) noexcept {
  return first(p, io, [] { ::umask(0); });
}
Status ignores_a_signal(Liar& p, Io& io) noexcept {
  return first(p, io, [] { ::signal(SIGHUP, SIG_IGN); });
}
Status catches_a_signal(Liar& p, Io& io) noexcept {
  return first(p, io, [] { ::signal(SIGTERM, [](int) {}); });
}
Status blocks_a_signal(Liar& p, Io& io) noexcept {
  return first(p, io, [] {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  });
}
Status changes_the_locale(Liar& p, Io& io) noexcept {
  return first(p, io, [] { static_cast<void>(std::setlocale(LC_ALL, "C.UTF-8")); });
}
Status changes_the_environment(Liar& p, Io& io) noexcept {
  return first(p, io, [] { ::setenv("LIAR", "1", 1); });
}
Status changes_a_limit(Liar& p, Io& io) noexcept {
  return first(p, io, [] {
    rlimit limit{};
    ::getrlimit(RLIMIT_CORE, &limit);
    limit.rlim_cur = limit.rlim_cur == 0 ? limit.rlim_max : 0;
    ::setrlimit(RLIMIT_CORE, &limit);
  });
}
Status leaves_a_timer(Liar& p, Io& io) noexcept {
  return first(p, io, [] {
    const itimerval once{{0, 0}, {1000, 0}};
    ::setitimer(ITIMER_REAL, &once, nullptr);
  });
}
Status rounds_down(Liar& p, Io& io) noexcept {
  return first(p, io, [] { ::fesetround(FE_DOWNWARD); });
}
Status is_nicer(Liar& p, Io& io) noexcept {
  return first(p, io, [] { static_cast<void>(::setpriority(PRIO_PROCESS, 0, 7)); });
}
Status connects_and_does_not_say_so(Liar& p, Io& io) noexcept {
  return first(p, io, [] {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/nonexistent/of/a-liar");
    static_cast<void>(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    ::close(fd);
  });
}

constexpr Lie lies[] = {
    LIE(changes_the_folder), LIE(changes_the_umask), LIE(ignores_a_signal),   LIE(catches_a_signal),
    LIE(blocks_a_signal),    LIE(changes_a_limit),   LIE(changes_the_locale), LIE(changes_the_environment),
    LIE(leaves_a_timer),     LIE(rounds_down),       LIE(is_nicer),           LIE(connects_and_does_not_say_so),
};

}  // namespace

std::span<const Lie> process_lies() { return lies; }

}  // namespace lying
