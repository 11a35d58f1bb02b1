#include "listener/listener.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/sandbox_refuses.hpp"
#include "listener/socket_file.hpp"
#include "socket/kernel_socket.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Unix = asio::local::stream_protocol;

constexpr int backlog = 4096;
constexpr std::chrono::milliseconds pause_after_error{100};  // for descriptors to come free

[[noreturn]] void fail(int error, const std::string& address) {
  throw std::system_error(error, std::generic_category(), "cannot listen on " + address);
}

std::string describe(const tcp::endpoint& e) {
  const std::string host = e.address().to_string();
  return "tcp:" + (e.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(e.port());
}

template <class Protocol>
class AsioListener : public Listener, public std::enable_shared_from_this<AsioListener<Protocol>> {
 public:
  AsioListener(asio::io_context& io, std::string address, KernelSocket::Options options)
      : options_(std::move(options)), acceptor_(io), pause_(io), address_(std::move(address)) {}

  void start(Accepted accepted, Complaint complain) override {
    accepted_ = std::move(accepted);
    complain_ = std::move(complain);
    ::fcntl(acceptor_.native_handle(), F_SETFD, FD_CLOEXEC);  // not for programs that the server runs
    accept();
  }
  void stop() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }
  void set_keepalive(unsigned seconds) override {
    if constexpr (std::is_same_v<Protocol, tcp>) options_.keepalive = seconds;
  }
  std::string address() const override { return address_; }

 protected:
  void accept() {
    const auto self = this->shared_from_this();
    acceptor_.async_accept([this, self](boost::system::error_code error, typename Protocol::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error && error != asio::error::connection_aborted) {
        if (!std::exchange(complained_, true)) complain_(address_ + ": cannot accept clients: " + error.message());
        pause_.expires_after(pause_after_error);
        pause_.async_wait([this, self](boost::system::error_code stopped) {
          if (!stopped && acceptor_.is_open()) accept();
        });
        return;
      }
      complained_ = false;
      if (!error) hand_over(std::move(socket));
      accept();
    });
  }
  void hand_over(typename Protocol::socket socket) {
    boost::system::error_code error;
    socket.native_non_blocking(false, error);
    const int fd = socket.native_handle();
    try {
      Peer peer = peer_of(fd);
      auto client = std::make_unique<KernelSocket>(fd, peer, options_);
      socket.release(error);  // it is the client's now
      accepted_(std::move(client), std::move(peer));
    } catch (const std::bad_alloc&) {
      // This client is lost, the others are not.
    }
  }

  KernelSocket::Options options_;  // of clients' sockets

  typename Protocol::acceptor acceptor_;
  asio::steady_timer pause_;
  std::string address_;
  bool complained_ = false;  // since the last client that could be accepted
  Accepted accepted_;
  Complaint complain_;
};

class TcpListener final : public AsioListener<tcp> {
 public:
  // `dual`: an IPv6 socket that takes IPv4 clients, too.
  TcpListener(asio::io_context& io, const tcp::endpoint& endpoint, bool dual, const std::string& as_written,
              unsigned keepalive)
      : AsioListener(io, {}, {.keepalive = keepalive, .congestion_control = {}}) {
    boost::system::error_code error;
    const auto check = [&] {
      if (error) fail(error.value(), as_written);
    };
    acceptor_.open(endpoint.protocol(), error);
    check();
    acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    check();
    if (endpoint.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(!dual), error);
    check();
    acceptor_.bind(endpoint, error);
    check();
    choose_congestion_control();
    acceptor_.listen(backlog, error);
    check();
    address_ = describe(acceptor_.local_endpoint());
  }

 private:
  // Between processes of one machine there is no network to be fair to, and where the system's choice paces what is
  // sent (bbr), large reads would be half as fast. The choice is made before there are connections: one that began to
  // pace goes on. Others get the system's choice back. (tcp(7), TCP_CONGESTION)
  void choose_congestion_control() {
    std::array<char, 16> usual{};  // TCP_CA_NAME_MAX of the kernel
    socklen_t size = usual.size();
    if (::getsockopt(acceptor_.native_handle(), IPPROTO_TCP, TCP_CONGESTION, usual.data(), &size) != 0) return;
    constexpr std::string_view reno = "reno";  // in every kernel
    if (::setsockopt(acceptor_.native_handle(), IPPROTO_TCP, TCP_CONGESTION, reno.data(), reno.size()) == 0)
      options_.congestion_control = std::string(usual.data(), ::strnlen(usual.data(), size));
  }
};

// With a file, or, as an abstract socket, without one.
class UnixListener final : public AsioListener<Unix> {
 public:
  UnixListener(asio::io_context& io, const ListenAddress& address)
      : AsioListener(io, "unix:" + (address.path.empty() ? "@" + address.abstract_name : address.path.string()), {}) {
    boost::system::error_code error;
    acceptor_.open(Unix(), error);
    if (error) fail(error.value(), address_);
    if (!address.path.empty()) {
      file_.emplace(acceptor_.native_handle(), address, backlog);
      return;
    }
    acceptor_.bind(Unix::endpoint('\0' + address.abstract_name), error);
    if (!error) acceptor_.listen(backlog, error);
    if (error) fail(error.value(), address_);
  }
  void stop() override {
    file_.reset();
    AsioListener::stop();
  }

 private:
  std::optional<SocketFile> file_;
};

// A socket that whoever has started the server has opened and listens at: its file and its congestion control stay as
// they are.
template <class Protocol>
class HandedListener final : public AsioListener<Protocol> {
 public:
  HandedListener(asio::io_context& io, const Protocol& protocol, int fd, const std::string& address,
                 KernelSocket::Options options)
      : AsioListener<Protocol>(io, address, std::move(options)) {
    boost::system::error_code error;
    this->acceptor_.assign(protocol, fd, error);
    if (error) fail(error.value(), address);
  }
};

// The address of a bound unix socket.
std::string describe_unix(const sockaddr_un& address, socklen_t size) {
  const std::size_t length = size - offsetof(sockaddr_un, sun_path);
  if (length == 0) return "unix:";
  if (address.sun_path[0] == '\0') return "unix:@" + std::string(address.sun_path + 1, length - 1);
  return "unix:" + std::string(address.sun_path, ::strnlen(address.sun_path, length));
}

std::shared_ptr<Listener> listen_handed(asio::io_context& io, const ListenAddress& address, unsigned keepalive) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (::getsockname(address.descriptor, reinterpret_cast<sockaddr*>(&name), &size) != 0) fail(errno, address.text);
  if (name.ss_family == AF_UNIX)
    return std::make_shared<HandedListener<Unix>>(io, Unix(), address.descriptor,
                                                  describe_unix(reinterpret_cast<const sockaddr_un&>(name), size),
                                                  KernelSocket::Options{});
  tcp::endpoint endpoint;
  std::memcpy(endpoint.data(), &name, size);
  endpoint.resize(size);
  return std::make_shared<HandedListener<tcp>>(io, endpoint.protocol(), address.descriptor, describe(endpoint),
                                               KernelSocket::Options{.keepalive = keepalive, .congestion_control = {}});
}

void listen_tcp(asio::io_context& io, const ListenAddress& address, unsigned keepalive, Listeners& out) {
  if (address.host.empty()) {  // all addresses, of both kinds where there is IPv6
    try {
      out.push_back(
          std::make_shared<TcpListener>(io, tcp::endpoint(tcp::v6(), address.port), true, address.text, keepalive));
    } catch (const std::system_error& e) {
      if (e.code().value() != EAFNOSUPPORT && e.code().value() != EADDRNOTAVAIL) throw;
      out.push_back(
          std::make_shared<TcpListener>(io, tcp::endpoint(tcp::v4(), address.port), false, address.text, keepalive));
    }
    return;
  }
  tcp::resolver resolver(io);
  boost::system::error_code error;
  const auto found = resolver.resolve(address.host, std::to_string(address.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error)
    throw std::runtime_error("cannot listen on " + address.text + ": " + error.message() + sandbox_hint("/etc/hosts"));
  std::exception_ptr refused;
  for (const auto& entry : found) {
    try {
      out.push_back(std::make_shared<TcpListener>(io, entry.endpoint(), false, address.text, keepalive));
    } catch (const std::system_error& e) {
      // "localhost" may resolve to ::1 where there is no IPv6: one address of a name is enough.
      if (e.code().value() != EAFNOSUPPORT && e.code().value() != EADDRNOTAVAIL) throw;
      refused = std::current_exception();
    }
  }
  if (out.empty() && refused) std::rethrow_exception(refused);
}

}  // namespace

Listeners listen(asio::io_context& io, const ListenAddress& address, unsigned keepalive) {
  Listeners out;
  using Kind = ListenAddress::Kind;
  if (address.kind == Kind::unix_socket) out.push_back(std::make_shared<UnixListener>(io, address));
  else if (address.kind == Kind::handed) out.push_back(listen_handed(io, address, keepalive));
  else listen_tcp(io, address, keepalive, out);
  return out;
}

}  // namespace ashlar::host
