// Access: what a client may do with an export, from what is known of it and the rules of `allow`.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "access/network.hpp"

namespace ashlar::host {

// What is known of a client that a rule can ask for.
struct Identity {
  std::optional<IpAddress> address;  // tcp
  std::optional<uid_t> uid;          // unix: of the process when it connected
  std::vector<gid_t> groups;         // unix: the primary and the supplementary ones
  std::string dn;                    // of its certificate, as RFC 4514 has it; empty: it has shown none
  std::string psk;                   // the name of its pre-shared key; empty: it has shown none
};

// A client fits that is all that is set.
struct AccessRule {
  std::optional<std::string> psk;
  std::optional<std::string> dn;  // a pattern, see fits_pattern()
  std::optional<uid_t> uid;
  std::optional<uid_t> user;
  std::optional<gid_t> group;
  std::optional<Network> address;
  bool read_only = false;              // whom it fits may only read
  std::string text;                    // as the config has it, for people: `{ uid = 0, read_only = true }`
  std::uint32_t line = 0, column = 0;  // of the config, where the rule begins
};

// The `allow` of an export or, as the default of those that have none, of the server.
struct AccessRules {
  std::vector<AccessRule> rules;  // the first that fits decides
  bool of_server = false;
  std::uint32_t line = 0;  // of the config
  std::string file{};      // that the config includes and they stand in, in one line; empty: they stand in itself
};

enum class Access : std::uint8_t { read_write, read_only, refused };

// "read-write", "read-only", "refused"
const char* access_name(Access access);

struct Decision {
  Access access = Access::read_write;
  const AccessRule* rule = nullptr;  // that fits; null: none does, or there are none
};

// `rules`: null: everybody may do everything. The decision points into them.
Decision decide(const AccessRules* rules, const Identity& client);

// Where a line of `rules` is: `line 7`, or `line 7 of conf.d/a.toml` in a file that the config includes.
std::string place_in_words(const AccessRules& rules, std::uint32_t line);

// Why it was decided so, in one line for the log: `{ uid = 0 } in line 7`, `no rule of allow in line 6 fits`.
std::string reason(const AccessRules* rules, const Decision& decision);

}  // namespace ashlar::host
