// Tls: the TLS of a server, as its config wants it, from its files. Alone includes OpenSSL, and only in its sources.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "socket/tls_socket.hpp"

namespace ashlar::host {

class Tls : public TlsServer {
 public:
  // What there is to be logged of a look at the files.
  struct News {
    bool taken = false;                 // new ones are used from now on
    std::vector<std::string> mistakes;  // in them: the old ones are used still
    std::vector<std::string> warnings;
  };
  // Looks whether the files have changed since they were last looked at, and if so, has new connections use them if
  // they fit. Those that are there go on as they are. [any thread, one at a time]
  virtual News look_for_new_files() = 0;
  // What tells the files in use from what they were before: other texts, other files. [any thread]
  virtual std::string state_of_files() = 0;
  // Whether there is a key of that user now. [any thread]
  virtual bool knows_user(std::string_view user) = 0;
};

// Why this program has no TLS, and what to do; empty: it has.
std::string lack_of_tls();

// Null when the config wants none, or a mistake in it was found before. `warnings` is for what is no mistake. Throws
// ConfigError when the files are not as they have to be, or this program was built without TLS.
std::unique_ptr<Tls> make_tls(const Config& config, std::vector<std::string>& warnings);

}  // namespace ashlar::host
