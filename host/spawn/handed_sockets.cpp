#include "spawn/handed_sockets.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "config/mistakes.hpp"
#include "config/text.hpp"
#include "spawn/environment.hpp"

namespace ashlar::host {
namespace {

constexpr const char* no_name = "unknown";  // (sd_listen_fds(3))

constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START
constexpr std::uint64_t most_sockets = 1024;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

std::vector<std::string> split_at_colons(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    const std::size_t colon = text.find(':', from);
    parts.push_back(text.substr(from, colon - from));
    if (colon == std::string::npos) return parts;
    from = colon + 1;
  }
}

// The value of an integer option of the socket; -1: it has none.
int socket_option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

void check(const HandedSocket& socket) {
  const int fd = socket.descriptor;
  const std::string which = "LISTEN_FDS: descriptor " + std::to_string(fd) + " (" + in_quotes(socket.name) + ") ";
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) refuse(which + "is not open; hand over listening sockets from 3 on");
  const int type = socket_option(fd, SO_TYPE), domain = socket_option(fd, SO_DOMAIN);
  if (type == -1) refuse(which + "is no socket; hand over listening sockets");
  if (type != SOCK_STREAM || (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6))
    refuse(which + "is neither a tcp nor a unix stream socket; write ListenStream= in its unit");
  if (socket_option(fd, SO_ACCEPTCONN) != 1)
    refuse(which + "does not listen; hand over a listening socket (Accept=no in its unit), not a connection");
}

std::string names_of(const std::vector<HandedSocket>& handed) {
  if (handed.empty())
    return "none was handed over (LISTEN_FDS); start the server by the unit of the socket, or name another address";
  std::string names;
  for (const HandedSocket& socket : handed) names += (names.empty() ? "" : ", ") + in_quotes(socket.name);
  return "handed over (LISTEN_FDNAMES): " + names;
}

ListenAddress address_of(const HandedSocket& socket) {
  ListenAddress address;
  address.kind = ListenAddress::Kind::handed;
  address.text = "fd:" + socket.name;
  address.handed_name = socket.name;
  address.descriptor = socket.descriptor;
  return address;
}

}  // namespace

std::vector<HandedSocket> take_handed_sockets() {
  const auto count_text = take_variable("LISTEN_FDS"), pid_text = take_variable("LISTEN_PID"),
             names_text = take_variable("LISTEN_FDNAMES");
  if (!count_text || !pid_text) return {};
  const auto pid = whole_number(*pid_text);
  if (!pid || *pid == 0) refuse("LISTEN_PID: " + in_quotes(*pid_text) + " is not the number of a process");
  if (*pid != static_cast<std::uint64_t>(::getpid())) return {};
  const auto count = whole_number(*count_text);
  if (!count || *count > most_sockets)
    refuse("LISTEN_FDS: " + in_quotes(*count_text) + " is not a number of sockets, 0 to " +
           std::to_string(most_sockets));
  std::vector<std::string> names;
  if (names_text && *count != 0) names = split_at_colons(*names_text);
  if (!names.empty() && names.size() != *count)
    refuse("LISTEN_FDNAMES: " + in_quotes(*names_text) + " has " + std::to_string(names.size()) + " names for the " +
           std::to_string(*count) + " sockets of LISTEN_FDS");
  std::vector<HandedSocket> handed;
  for (std::size_t i = 0; i < *count; ++i) {
    handed.push_back({first_descriptor + static_cast<int>(i), names.empty() ? no_name : names[i]});
    check(handed.back());
  }
  return handed;
}

void place_handed_sockets(const std::vector<HandedSocket>& handed, Config& config) {
  ServerConfig& server = config.server;
  std::vector<ListenAddress> listen;
  // libnbd, for one, hands over a socket without a name to a config that may have addresses of its own.
  const bool nameless =
      std::all_of(handed.begin(), handed.end(), [](const HandedSocket& socket) { return socket.name == no_name; });
  const bool asks_for_names = std::any_of(server.listen.begin(), server.listen.end(), [](const ListenAddress& address) {
    return address.kind == ListenAddress::Kind::handed;
  });
  if (!handed.empty() && (server.listen_is_default || (nameless && !asks_for_names))) {
    server.listen.clear();
    server.listen_is_default = false;
    for (const HandedSocket& socket : handed) listen.push_back(address_of(socket));
  }
  for (const ListenAddress& address : server.listen) {
    if (address.kind != ListenAddress::Kind::handed) {
      listen.push_back(address);
      continue;
    }
    const std::size_t before = listen.size();
    for (const HandedSocket& socket : handed)
      if (socket.name == address.handed_name) listen.push_back(address_of(socket));
    if (listen.size() != before) continue;
    const std::string what = in_quotes(address.text) + ": there is no socket of that name; " + names_of(handed);
    if (address.place.line == 0) refuse(what);
    throw ConfigError(config.file, address.place, "key \"listen\": " + what);
  }
  server.listen = std::move(listen);
}

std::vector<std::string> close_unused(std::vector<HandedSocket>& handed, const ServerConfig& server) {
  std::vector<std::string> unused;
  std::erase_if(handed, [&](const HandedSocket& socket) {
    const auto is_it = [&](const ListenAddress& address) { return address.descriptor == socket.descriptor; };
    if (std::any_of(server.listen.begin(), server.listen.end(), is_it)) return false;
    unused.push_back(socket.name);
    ::close(socket.descriptor);
    return true;
  });
  return unused;
}

}  // namespace ashlar::host
