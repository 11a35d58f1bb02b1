// Users and groups of this machine, by the names that people give them. (passwd(5), group(5))
#pragma once
#include <sys/types.h>

#include <string>
#include <vector>

namespace ashlar::host {

// The number of the user or group `name`, or of one that is given by its number. Throws std::invalid_argument, whose
// text says what is wrong and what to do. [any thread]
uid_t user_number(const std::string& name);
gid_t group_number(const std::string& name);

// The groups of the user `uid`, the primary one first; none when this machine does not know him. [any thread]
std::vector<gid_t> groups_of_user(uid_t uid);

}  // namespace ashlar::host
