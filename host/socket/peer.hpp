// Peer: who a client is, as a value.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ashlar::host {

// Who a client is by TLS, which has proved it. Both are empty when it had to prove nothing.
struct TlsIdentity {
  // The distinguished name of its certificate as RFC 4514 writes it, the innermost part (CN, as a rule) first.
  std::string name;
  std::string psk;  // the user name of its pre-shared key
};

struct Peer {
  enum class Transport : std::uint8_t { unix_socket, tcp };

  Transport transport = Transport::unix_socket;
  // tcp: the numeric address, IPv4 ones in dotted form also on an IPv6 socket, and the port; unix: empty and 0.
  std::string address;
  std::uint16_t port = 0;
  // unix: of the process that connected (unix(7), SO_PEERCRED); -1: not known.
  std::int64_t uid = -1;
  std::int64_t gid = -1;
  std::int64_t pid = -1;
  // unix: its supplementary groups when it connected (SO_PEERGROUPS), `gid` not always among them; empty: none, or not
  // known.
  std::vector<gid_t> groups;
  // Whether the client runs on this machine.
  bool local = true;
  // Of the connection: no two of one server have the same. 0: not numbered yet.
  std::uint64_t number = 0;
  // None: it speaks plainly, or not TLS yet.
  std::optional<TlsIdentity> tls;
};

// The client of the connected socket `fd`, as far as the kernel can tell. [any thread]
Peer peer_of(int fd);

// "127.0.0.1:4711", "[::1]:4711"; empty: it has no address.
std::string endpoint_text(const Peer& peer);

// "CN=host1,O=Stones", "psk alice"; "tls" when the client had to prove nothing.
std::string identity_text(const TlsIdentity& identity);

// The client in words, for the log: "tcp:127.0.0.1:4711", "tcp:[::1]:4711", "unix:pid=1,uid=0"; by TLS, with who it is:
// "tcp:127.0.0.1:4711 (CN=host1,O=Stones)", "unix:pid=1,uid=0 (psk alice)".
std::string describe(const Peer& peer);

}  // namespace ashlar::host
