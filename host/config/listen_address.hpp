// Listen addresses, as written in the config and on the command line.
#pragma once
#include <filesystem>
#include <string_view>

#include "config/config.hpp"

namespace ashlar::host {

// tcp:HOST:PORT, tcp:[V6]:PORT, tcp::PORT (all addresses), unix:PATH, unix:@NAME (abstract) or fd:NAME (handed over by
// whoever starts the server). Port 0 lets the kernel choose; a relative PATH counts from `folder`, which is absolute.
// Resolves no names. Throws std::invalid_argument, whose text says what is wrong and what to do. (ip(7), ipv6(7),
// unix(7))
ListenAddress parse_listen_address(std::string_view text, const std::filesystem::path& folder);

// Whether both would take the same port or the same socket. Port 0 never is the same port.
bool same_address(const ListenAddress& a, const ListenAddress& b);

}  // namespace ashlar::host
