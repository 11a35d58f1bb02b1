#include "spawn/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>

namespace ashlar::host {
namespace {

struct Account {
  std::string name;  // empty: the number is not in the list of users
  std::optional<gid_t> group;
};

Account account_of(uid_t user) {
  constexpr std::size_t first_buffer = 1024, largest_buffer = std::size_t{1} << 20;
  for (std::size_t size = first_buffer; size <= largest_buffer; size *= 4) {
    std::vector<char> buffer(size);
    passwd entry{}, *found = nullptr;
    const int error = ::getpwuid_r(user, &entry, buffer.data(), buffer.size(), &found);
    if (error == 0 && found != nullptr) return {entry.pw_name, entry.pw_gid};
    if (error != ERANGE) break;
  }
  return {};
}

std::vector<gid_t> groups_of(const std::string& name, gid_t group) {
  std::vector<gid_t> groups(16);
  for (;;) {
    auto count = static_cast<int>(groups.size());
    const bool fits = ::getgrouplist(name.c_str(), group, groups.data(), &count) >= 0;
    groups.resize(static_cast<std::size_t>(count));  // how many there are, also when they do not fit
    if (fits) return groups;
  }
}

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::runtime_error("[server] " + what + ": " + std::strerror(error) +
                           "; start the server as root, or leave user and group out");
}

bool has_already(const Privileges& wanted) {
  return wanted.user != 0 && ::getuid() == wanted.user && ::geteuid() == wanted.user && ::getgid() == wanted.group &&
         ::getegid() == wanted.group;
}

// The system calls themselves change one thread, the functions of the C library all of them. (nptl(7))
bool give_to_this_thread(const Privileges& wanted) {
#ifdef SYS_setgroups32
  constexpr long set_groups = SYS_setgroups32, set_group = SYS_setresgid32, set_user = SYS_setresuid32;
#else
  constexpr long set_groups = SYS_setgroups, set_group = SYS_setresgid, set_user = SYS_setresuid;
#endif
  return ::syscall(set_groups, wanted.groups.size(), wanted.groups.data()) == 0 &&
         ::syscall(set_group, wanted.group, wanted.group, wanted.group) == 0 &&
         ::syscall(set_user, wanted.user, wanted.user, wanted.user) == 0;
}

}  // namespace

Privileges privileges_of(std::optional<uid_t> user, std::optional<gid_t> group) {
  Privileges found;
  found.user = user.value_or(::geteuid());
  const Account account = account_of(found.user);
  if (user && !group) group = account.group;
  if (!group)
    throw std::runtime_error("[server] user: " + std::to_string(found.user) +
                             " is not in the list of users and has no group of its own; add group = …");
  found.group = *group;
  if (user && !account.name.empty()) found.groups = groups_of(account.name, found.group);
  found.who = "user " + (account.name.empty() ? "" : account.name + " ") + "(" + std::to_string(found.user) +
              "), group (" + std::to_string(found.group) + ")";
  return found;
}

void take_privileges(const Privileges& wanted) {
  if (has_already(wanted)) return;
  if (::setgroups(wanted.groups.size(), wanted.groups.data()) != 0)
    fail(errno, "cannot change the supplementary groups");
  if (::setresgid(wanted.group, wanted.group, wanted.group) != 0)
    fail(errno, "group: cannot become group " + std::to_string(wanted.group));
  if (::setresuid(wanted.user, wanted.user, wanted.user) != 0)
    fail(errno, "user: cannot become user " + std::to_string(wanted.user));
}

bool with_privileges(const Privileges& wanted, const std::function<void()>& act) {
  if (has_already(wanted)) {
    act();
    return true;
  }
  bool given = false;
  std::exception_ptr failure;
  const int dumpable = ::prctl(PR_GET_DUMPABLE);  // which the kernel takes from the process when a thread changes
  std::thread([&] {
    try {
      given = give_to_this_thread(wanted);
      if (given) act();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (dumpable == 1) ::prctl(PR_SET_DUMPABLE, 1);
  if (failure) std::rethrow_exception(failure);
  return given;
}

}  // namespace ashlar::host
