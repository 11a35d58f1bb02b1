#include "socket/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace ashlar::host {
namespace {

struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  bool loopback = false;
};

bool is_loopback(const in_addr& address) { return ntohl(address.s_addr) >> 24 == IN_LOOPBACKNET; }

Endpoint endpoint_of(const sockaddr_in& in) {
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size());
  return {text.data(), ntohs(in.sin_port), is_loopback(in.sin_addr)};
}

// A client that came by IPv4 to a socket of both kinds has its IPv4 address within an IPv6 one.
Endpoint endpoint_of(const sockaddr_in6& in6) {
  if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
    sockaddr_in in{};
    in.sin_port = in6.sin6_port;
    in.sin_addr.s_addr = in6.sin6_addr.s6_addr32[3];
    return endpoint_of(in);
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET6, &in6.sin6_addr, text.data(), text.size());
  return {text.data(), ntohs(in6.sin6_port), IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) != 0};
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

// The address of one end of a tcp socket; empty: not known, as of a client that has gone already.
Endpoint endpoint_of(int fd, NameCall name) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (name(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  if (storage.ss_family == AF_INET) return endpoint_of(reinterpret_cast<const sockaddr_in&>(storage));
  if (storage.ss_family == AF_INET6) return endpoint_of(reinterpret_cast<const sockaddr_in6&>(storage));
  return {};
}

constexpr std::size_t most_groups = 65536;  // NGROUPS_MAX of the kernel

// Where the kernel does not tell them it is as if there were none: then no rule about a group fits.
std::vector<gid_t> groups_of(int fd) {
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool fits = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    if (!fits && (errno != ERANGE || groups.size() >= most_groups)) return {};
    groups.resize(size / sizeof(gid_t));  // how many there are, also when they do not fit
    if (fits) return groups;
  }
}

Peer unix_peer(int fd) {
  Peer peer;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return peer;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.pid = credentials.pid;
  peer.groups = groups_of(fd);
  return peer;
}

std::string transport_text(const Peer& peer) {
  if (peer.transport == Peer::Transport::tcp) return peer.address.empty() ? "tcp" : "tcp:" + endpoint_text(peer);
  if (peer.pid < 0) return "unix";
  return "unix:pid=" + std::to_string(peer.pid) + ",uid=" + std::to_string(peer.uid);
}

}  // namespace

Peer peer_of(int fd) {
  int family = AF_UNIX;
  socklen_t size = sizeof family;
  ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
  if (family == AF_UNIX) return unix_peer(fd);

  const Endpoint theirs = endpoint_of(fd, ::getpeername), ours = endpoint_of(fd, ::getsockname);
  Peer peer;
  peer.transport = Peer::Transport::tcp;
  peer.address = theirs.address;
  peer.port = theirs.port;
  peer.local = theirs.loopback || (!theirs.address.empty() && theirs.address == ours.address);
  return peer;
}

std::string endpoint_text(const Peer& peer) {
  if (peer.address.empty()) return {};
  const bool v6 = peer.address.find(':') != std::string::npos;
  return (v6 ? "[" + peer.address + "]" : peer.address) + ":" + std::to_string(peer.port);
}

std::string identity_text(const TlsIdentity& identity) {
  if (!identity.psk.empty()) return "psk " + identity.psk;
  return identity.name.empty() ? "tls" : identity.name;
}

std::string describe(const Peer& peer) {
  const std::string transport = transport_text(peer);
  return peer.tls ? transport + " (" + identity_text(*peer.tls) + ")" : transport;
}

}  // namespace ashlar::host
