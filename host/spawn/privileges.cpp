#include "spawn/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

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

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::runtime_error("[server] " + what + ": " + std::strerror(error) +
                           "; start the server as root, or leave user and group out");
}

void set_groups(const Account& account, gid_t group) {
  const bool done =
      account.name.empty() ? ::setgroups(0, nullptr) == 0 : ::initgroups(account.name.c_str(), group) == 0;
  if (!done) fail(errno, "cannot change the supplementary groups");
}

}  // namespace

std::string give_up_privileges(std::optional<uid_t> user, std::optional<gid_t> group) {
  const uid_t to_user = user.value_or(::geteuid());
  const Account account = account_of(to_user);
  if (user && !group) group = account.group;
  if (!group)
    throw std::runtime_error("[server] user: " + std::to_string(to_user) +
                             " is not in the list of users and has no group of its own; add group = …");
  const std::string who = "user " + (account.name.empty() ? "" : account.name + " ") + "(" + std::to_string(to_user) +
                          "), group (" + std::to_string(*group) + ")";
  const bool is_it = ::getuid() == to_user && ::geteuid() == to_user && ::getgid() == *group && ::getegid() == *group;
  if (is_it && to_user != 0) return who;
  set_groups(user ? account : Account{}, *group);
  if (::setresgid(*group, *group, *group) != 0) fail(errno, "group: cannot become group " + std::to_string(*group));
  if (::setresuid(to_user, to_user, to_user) != 0) fail(errno, "user: cannot become user " + std::to_string(to_user));
  return who;
}

}  // namespace ashlar::host
