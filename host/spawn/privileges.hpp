// Privileges: who the server is for the kernel.
#pragma once
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ashlar::host {

// Who somebody is, and what he may do by that.
struct Privileges {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;  // the supplementary ones
  std::string who;            // in words
};

// Those of `user` and `group`, with the supplementary groups of that user and no others. Without a group, it is the
// user's own; without a user, the group alone is changed. Throws std::runtime_error that says what to do when the user
// has no group. (credentials(7), getgrouplist(3))
Privileges privileges_of(std::optional<uid_t> user, std::optional<gid_t> group);

// Gives them to all threads of this process, for good. Throws std::runtime_error that says what to do when it may not.
void take_privileges(const Privileges& wanted);

// Calls `act` in a thread that has them alone, and waits for it. False: this process may not give them, and `act` has
// not been called.
bool with_privileges(const Privileges& wanted, const std::function<void()>& act);

}  // namespace ashlar::host
