// The variables by which a command that the server runs finds it: those that nbdkit's --run has.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ashlar::host {

using Variables = std::vector<std::pair<std::string, std::string>>;

// `uri`, an NBD URI of the default export (the NBD project's uri.md), at a unix socket rather than by tcp;
// `unixsocket`, the path of the unix socket, and `port`, of tcp, each empty when there is none. `addresses`: those of
// the listeners. `by_tls`: clients get nothing without TLS, so the URI says so (`nbds`).
Variables command_variables(const std::vector<std::string>& addresses, bool by_tls);

}  // namespace ashlar::host
