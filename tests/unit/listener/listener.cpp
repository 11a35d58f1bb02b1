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
  explicit Accepted(const std::string& host, const char* from = "127.0.0.1", const char* to = "127.0.0.1") {
    listeners_ = listen(io_, parse_listen_address("tcp:" + host + ":0", "/"));
    listeners_.at(0)->start(
        [this](int accepted, std::string) {
          fd = accepted;
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
  ~Accepted() { ::close(fd); }
  Accepted(const Accepted&) = delete;
  Accepted& operator=(const Accepted&) = delete;

  std::string congestion_control() const {
    char name[16] = {};
    socklen_t size = sizeof name;
    return ::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0 ? name : "unknown";
  }

  int fd = -1;

 private:
  asio::io_context io_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  tcp::socket client_{io_};
};

// Runs `act` in a network namespace of its own, where the system's choice of congestion control is `choice`, and 192.0.2.1 and
// 192.0.2.2 are there. False: that cannot be had here.
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
  }).join();
  if (thrown) std::rethrow_exception(thrown);
  return made;
}

}  // namespace

TEST_CASE("small replies are not held back, and what goes to this machine is not paced") {
  const Accepted accepted(GENERATE("127.0.0.1", ""));  // the latter may be an IPv6 socket, to which the client looks mapped
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  REQUIRE(::getsockopt(accepted.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
  CHECK(no_delay != 0);
  CHECK(accepted.congestion_control() == "reno");
}

TEST_CASE("what goes to another machine is sent as the system chooses", "[network]") {
  std::ifstream allowed("/proc/sys/net/ipv4/tcp_allowed_congestion_control");  // the system's own choice is among them
  std::string choice = "reno";
  while (choice == "reno" && allowed >> choice) continue;
  if (choice == "reno") SKIP_CASE("this kernel offers nothing but what clients of this machine get");
  std::string of_system, of_this_machine, of_another;
  const bool made = in_network(choice, [&] {
    std::ifstream("/proc/sys/net/ipv4/tcp_congestion_control") >> of_system;
    of_this_machine = Accepted("", "192.0.2.1", "192.0.2.1").congestion_control();
    of_another = Accepted("", "192.0.2.2", "192.0.2.1").congestion_control();
  });
  if (!made)
    SKIP_CASE("no network namespace with a choice of its own here: that needs root, ip(8) and a /proc/sys to write to");
  REQUIRE(of_system == choice);
  CHECK(of_this_machine == "reno");
  CHECK(of_another == choice);
}

}  // namespace ashlar::host
