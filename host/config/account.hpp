// Users and groups of this machine, by the names that people give them. (passwd(5), group(5))
#pragma once
#include <sys/types.h>

#include <string>

namespace ashlar::host {

// The number of the user or group `name`, or of one that is given by its number. Throws std::invalid_argument, whose
// text says what is wrong and what to do. [any thread]
uid_t user_number(const std::string& name);
gid_t group_number(const std::string& name);

}  // namespace ashlar::host
