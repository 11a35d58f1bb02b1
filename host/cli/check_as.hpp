// What `ashlar check --as` tells: what a client would see of the exports.
#pragma once
#include <ostream>
#include <string>
#include <vector>

#include "access/access.hpp"
#include "chain/chain.hpp"
#include "chain/export.hpp"
#include "config/config.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

// The client of "psk=alice,address=10.0.0.7", given in one or several texts. A user comes with the groups that this
// machine has for him. Throws UsageError, also when no client can be all that.
Identity parse_identity(const std::vector<std::string>& texts);

struct Seen {
  std::string name;  // of the export
  Access access = Access::refused;
  std::string why;  // in one line
};

// What `client` sees of the export, which is opened, if it can be. `tls`: what its identity is looked at by; null: the
// server has none, or a mistake in it.
Seen seen_by(const Identity& client, Export& exported, const TlsConfig& config, Tls* tls);

// A line for each.
void print_seen(std::ostream& out, const std::vector<Seen>& all);

}  // namespace ashlar::host
