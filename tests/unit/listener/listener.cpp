// Sockets as sessions get them.
#include "listener/listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "catch.hpp"
#include "config/listen_address.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// The server's end of one connection from `from` to `to`, where it listens at "tcp:`host`:0".
class Accepted {
 public:
  explicit Accepted(const std::string& host, const char* from = "127.0.0.1", const char* to = "127.0.0.1",
                    unsigned keepalive = 0) {
    listeners_ = listen(io_, parse_listen_address("tcp:" + host + ":0", "/"), keepalive);
    listeners_.at(0)->start(
        [this](std::unique_ptr<Socket> accepted, Peer who) {
          socket = std::move(accepted);
          peer = std::move(who);
          io_.stop();
        },
        [](const std::string& complaint) { FAIL(complaint); });
    const std::string address = listeners_.at(0)->address();
    const auto port = static_cast<unsigned short>(std::stoul(address.substr(address.rfind(':') + 1)));
    client_.open(tcp::v4());
    client_.bind(tcp::endpoint(asio::ip::make_address_v4(from), 0));
    client_.connect(tcp::endpoint(asio::ip::make_address_v4(to), port));
    io_.run();
  }
  Accepted(const Accepted&) = delete;
  Accepted& operator=(const Accepted&) = delete;

  std::string congestion_control() const {
    char name[16] = {};
    socklen_t size = sizeof name;
    return ::getsockopt(fd(), IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0 ? name : "unknown";
  }
  int option(int level, int name) const {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(fd(), level, name, &value, &size) == 0 ? value : -1;
  }

  std::unique_ptr<Socket> socket;
  Peer peer;

 private:
  int fd() const { return socket->watched_descriptor(); }

  asio::io_context io_;
  Listeners listeners_;
  tcp::socket client_{io_};
};

// Runs `act` in a network namespace of its own, where the system's choice of congestion control is `choice`, and
// 192.0.2.1 and 192.0.2.2 are there. False: that cannot be had here.
bool in_network(const std::string& choice, const std::function<void()>& act) {
  bool made = false;
  std::exception_ptr thrown;
  std::thread([&] {  // a namespace belongs to a thread, and ends with it
    if (::unshare(CLONE_NEWNET) != 0) return;
    made = (std::ofstream("/proc/sys/net/ipv4/tcp_congestion_control") << choice << std::flush) &&
           std::system("ip link set lo up && ip addr add 192.0.2.1/24 dev lo && ip addr add 192.0.2.2/24 dev lo") == 0;
    try {
      if (made) act();
    } catch (...) {
      thrown = std::current_exception();
    }
  })
      .join();
  if (thrown) std::rethrow_exception(thrown);
  return made;
}

}  // namespace

TEST_CASE("small replies are not held back, and what goes to this machine is not paced") {
  const Accepted accepted(
      GENERATE("127.0.0.1", ""));  // the latter may be an IPv6 socket, to which the client looks mapped
  CHECK(accepted.option(IPPROTO_TCP, TCP_NODELAY) != 0);
  CHECK(accepted.congestion_control() == "reno");
}

TEST_CASE("who the client is, is known as a value") {
  const Accepted accepted(GENERATE("127.0.0.1", ""));
  CHECK(accepted.peer.transport == Peer::Transport::tcp);
  CHECK(accepted.peer.address == "127.0.0.1");
  CHECK(accepted.peer.port != 0);
  CHECK(accepted.peer.local);
  CHECK(describe(accepted.peer) == "tcp:127.0.0.1:" + std::to_string(accepted.peer.port));
}

TEST_CASE("a dead peer is found in the time that was told, or never") {
  const Accepted watched("127.0.0.1", "127.0.0.1", "127.0.0.1", 60), unwatched("127.0.0.1");
  CHECK(watched.option(SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(watched.option(IPPROTO_TCP, TCP_KEEPIDLE) == 60);
  CHECK(watched.option(IPPROTO_TCP, TCP_KEEPINTVL) * watched.option(IPPROTO_TCP, TCP_KEEPCNT) == 60);
  CHECK(watched.option(IPPROTO_TCP, TCP_USER_TIMEOUT) == 120'000);
  CHECK(unwatched.option(SOL_SOCKET, SO_KEEPALIVE) == 0);
}

TEST_CASE("A client's words in the log tell who it is by TLS") {
  Peer peer;
  peer.transport = Peer::Transport::tcp;
  peer.address = "192.0.2.1";
  peer.port = 4711;
  CHECK(describe(peer) == "tcp:192.0.2.1:4711");
  peer.tls.emplace();
  CHECK(describe(peer) == "tcp:192.0.2.1:4711 (tls)");
  peer.tls->name = "CN=host1,O=Stones";
  CHECK(describe(peer) == "tcp:192.0.2.1:4711 (CN=host1,O=Stones)");
  peer.tls->psk = "alice";
  CHECK(describe(peer) == "tcp:192.0.2.1:4711 (psk alice)");
}

TEST_CASE("what goes to another machine is sent as the system chooses", "[network]") {
  std::ifstream allowed("/proc/sys/net/ipv4/tcp_allowed_congestion_control");  // the system's own choice is among them
  std::string choice = "reno";
  while (choice == "reno" && allowed >> choice) continue;
  if (choice == "reno") SKIP_CASE("this kernel offers nothing but what clients of this machine get");
  std::string of_system, of_this_machine, of_another;
  int here = 0, there = 0;  // the send buffers
  const bool made = in_network(choice, [&] {
    std::ifstream("/proc/sys/net/ipv4/tcp_congestion_control") >> of_system;
    const Accepted near("", "192.0.2.1", "192.0.2.1"), far("", "192.0.2.2", "192.0.2.1");
    of_this_machine = near.congestion_control();
    of_another = far.congestion_control();
    here = near.option(SOL_SOCKET, SO_SNDBUF);
    there = far.option(SOL_SOCKET, SO_SNDBUF);
  });
  if (!made)
    SKIP_CASE("no network namespace with a choice of its own here: that needs root, ip(8) and a /proc/sys to write to");
  REQUIRE(of_system == choice);
  CHECK(of_this_machine == "reno");
  CHECK(of_another == choice);
  // A send buffer that is set is no longer the kernel's to tune, which a connection over a network needs.
  CHECK(there != here);
}

}  // namespace ashlar::host
