#include "connect.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "protocol/codec.hpp"

namespace ashlar::bench {
namespace {

using namespace protocol;

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

int connect_unix(const std::string& path) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path) throw std::runtime_error(path + ": too long for a unix socket");
  std::memcpy(to.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) fail(path);
  return fd;
}

int connect_tcp(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == address.npos) throw std::runtime_error(address + ": not HOST:PORT");
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  const int error = ::getaddrinfo(address.substr(0, colon).c_str(), address.substr(colon + 1).c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error(address + ": " + ::gai_strerror(error));
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, found->ai_addr, found->ai_addrlen) != 0) fail(address);
  ::freeaddrinfo(found);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

void send_option(int fd, std::uint32_t option, const std::vector<std::byte>& data) {
  std::vector<std::byte> bytes(option_header_size);
  put64(bytes.data(), option_magic);
  put32(bytes.data() + 8, option);
  put32(bytes.data() + 12, static_cast<std::uint32_t>(data.size()));
  bytes.insert(bytes.end(), data.begin(), data.end());
  send_all(fd, bytes.data(), bytes.size());
}

struct OptionReply {
  std::uint32_t type;
  std::vector<std::byte> data;
};

OptionReply receive_reply(int fd) {
  std::array<std::byte, option_reply_header_size> header;
  receive_all(fd, header.data(), header.size());
  if (get64(header.data()) != option_reply_magic) throw std::runtime_error("not the reply to an option");
  OptionReply reply{get32(header.data() + 12), {}};
  const std::uint32_t length = get32(header.data() + 16);
  if (length > (1u << 20)) throw std::runtime_error("the reply to an option is too long");
  reply.data.resize(length);
  receive_all(fd, reply.data.data(), length);
  return reply;
}

std::vector<std::byte> go_data(const std::string& name) {
  std::vector<std::byte> data(4 + name.size() + 2);
  put32(data.data(), static_cast<std::uint32_t>(name.size()));
  std::memcpy(data.data() + 4, name.data(), name.size());
  put16(data.data() + 4 + name.size(), 0);  // no items asked for
  return data;
}

}  // namespace

void send_all(int fd, const void* bytes, std::size_t length) {
  for (auto* from = static_cast<const std::byte*>(bytes); length != 0;) {
    const ssize_t n = ::send(fd, from, length, MSG_NOSIGNAL);
    if (n < 0) fail("send");
    from += n;
    length -= static_cast<std::size_t>(n);
  }
}

void receive_all(int fd, void* bytes, std::size_t length) {
  for (auto* to = static_cast<std::byte*>(bytes); length != 0;) {
    const ssize_t n = ::recv(fd, to, length, 0);
    if (n < 0) fail("recv");
    if (n == 0) throw std::runtime_error("the server closed the connection");
    to += n;
    length -= static_cast<std::size_t>(n);
  }
}

int connect_to(const std::string& address) {
  if (address.starts_with("unix:")) return connect_unix(address.substr(5));
  if (address.starts_with("tcp:")) return connect_tcp(address.substr(4));
  throw std::runtime_error(address + ": neither unix:PATH nor tcp:HOST:PORT");
}

std::uint64_t shake_hands(int fd, const std::string& export_name, bool structured) {
  std::array<std::byte, greeting_size> greeting;
  receive_all(fd, greeting.data(), greeting.size());
  if (get64(greeting.data()) != init_magic || get64(greeting.data() + 8) != option_magic)
    throw std::runtime_error("not a newstyle NBD server");
  std::array<std::byte, client_flags_size> flags;
  put32(flags.data(), flag_c_fixed_newstyle);
  send_all(fd, flags.data(), flags.size());
  if (structured) {
    send_option(fd, opt_structured_reply, {});
    receive_reply(fd);
  }
  send_option(fd, opt_go, go_data(export_name));
  std::uint64_t size = 0;
  for (;;) {
    const OptionReply reply = receive_reply(fd);
    if (reply.type == rep_ack) return size;
    if (reply.type & 0x80000000u) {
      const std::string text(reinterpret_cast<const char*>(reply.data.data()), reply.data.size());
      throw std::runtime_error("export \"" + export_name + "\" is refused: " + text);
    }
    if (reply.type == rep_info && reply.data.size() >= 10 && get16(reply.data.data()) == info_export)
      size = get64(reply.data.data() + 2);
  }
}

}  // namespace ashlar::bench
