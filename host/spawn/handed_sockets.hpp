// Handed sockets: listening sockets that whoever starts the server has opened for it, as systemd does for a .socket
// unit and libnbd for `nbdcopy -- [ ashlar serve disk.img ] …`. (sd_listen_fds(3))
#pragma once
#include <string>
#include <vector>

#include "config/config.hpp"

namespace ashlar::host {

struct HandedSocket {
  int descriptor;    // bound and listening, of the kind unix or tcp
  std::string name;  // "unknown" when whoever starts the server gives none, as systemd calls it
};

// The sockets that LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES tell of, which are taken out of the environment; none when
// they are for another process. No program that the server starts inherits them. Throws std::invalid_argument that
// names the variable or the descriptor which is not as it should be. [before there are threads and other descriptors]
std::vector<HandedSocket> take_handed_sockets();

// Puts the sockets in the place of the addresses fd:NAME, all of that name for each, or of the default address: then
// the server listens at all of them and nowhere else. So it does, too, when none of them has a name and no address asks
// for one. When there is none of a name, throws ConfigError at the address that asks for it, or std::invalid_argument
// if that stands in no file.
void place_handed_sockets(const std::vector<HandedSocket>& handed, Config& config);

// Closes those that `server` has no use for, so that clients are refused rather than left to wait, takes them out of
// `handed`, and returns their names.
std::vector<std::string> close_unused(std::vector<HandedSocket>& handed, const ServerConfig& server);

}  // namespace ashlar::host
