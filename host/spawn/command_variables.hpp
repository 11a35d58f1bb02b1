// The variables by which a command that the server runs finds it: those that nbdkit's --run has.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ashlar::host {

// `text` as a part of a URI, where a '/' stays. (RFC 3986, 2.1)
std::string percent_encoded(std::string_view text);

using Variables = std::vector<std::pair<std::string, std::string>>;

// `uri`, an NBD URI of the default export (the NBD project's uri.md), at a unix socket rather than by tcp, and empty
// when there is neither; `unixsocket`, the path of the unix socket, and `port`, of tcp, each empty when there is none.
// `addresses`: those of the listeners. `by_tls`: clients get nothing without TLS, so the URI says so (`nbds`).
Variables command_variables(const std::vector<std::string>& addresses, bool by_tls);

}  // namespace ashlar::host
