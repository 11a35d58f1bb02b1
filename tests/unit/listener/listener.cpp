// Sockets as sessions get them.
#include "listener/listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "catch.hpp"
#include "config/listen_address.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// The server's end of one connection, to an address like "tcp:127.0.0.1:0".
class Accepted {
 public:
  explicit Accepted(const std::string& host) {
    listeners_ = listen(io_, parse_listen_address("tcp:" + host + ":0", "/"));
    listeners_.at(0)->start(
        [this](int accepted, std::string) {
          fd = accepted;
          io_.stop();
        },
        [](const std::string& complaint) { FAIL(complaint); });
    const std::string address = listeners_.at(0)->address();
    const auto port = static_cast<unsigned short>(std::stoul(address.substr(address.rfind(':') + 1)));
    client_.connect(tcp::endpoint(asio::ip::make_address_v4("127.0.0.1"), port));
    io_.run();
  }
  ~Accepted() { ::close(fd); }
  Accepted(const Accepted&) = delete;
  Accepted& operator=(const Accepted&) = delete;

  int fd = -1;

 private:
  asio::io_context io_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  tcp::socket client_{io_};
};

}  // namespace

TEST_CASE("small replies are not held back, and what goes to this machine is not paced") {
  const Accepted accepted(GENERATE("127.0.0.1", ""));  // the latter may be an IPv6 socket, to which the client looks mapped
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  REQUIRE(::getsockopt(accepted.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
  CHECK(no_delay != 0);
  char congestion[16] = {};
  size = sizeof congestion;
  REQUIRE(::getsockopt(accepted.fd, IPPROTO_TCP, TCP_CONGESTION, congestion, &size) == 0);
  CHECK(std::string(congestion) == "reno");
}

}  // namespace ashlar::host
