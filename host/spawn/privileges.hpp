// Privileges: who the server is for the kernel.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>

namespace ashlar::host {

// Makes all threads of this process `user` and `group`, with the supplementary groups of that user and no others, for
// good. Without a group, it is the user's own; without a user, the group alone is changed. Returns in words who the
// server is now. Throws std::runtime_error that says what to do when it may not, or the user has no group.
// (credentials(7), initgroups(3))
std::string give_up_privileges(std::optional<uid_t> user, std::optional<gid_t> group);

}  // namespace ashlar::host
