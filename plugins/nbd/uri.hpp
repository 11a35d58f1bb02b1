// Uri: where an NBD server is, as the NBD project's uri.md writes it. Pure.
#pragma once
#include <string>

struct Uri {
  bool tls = false;         // nbds
  std::string socket;       // path of a unix socket; empty: the server is at host and port
  std::string host, port;   // a name or an address without brackets; a number
  std::string user;         // whose key a pre-shared key is; empty: not said
  std::string export_name;  // decoded; empty: the default export
};

// Throws BadParameter("uri"): what is not understood is refused, so that nothing which was meant is left out in
// silence.
Uri parse_uri(const std::string& text);
