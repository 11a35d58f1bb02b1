#include "control/client.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "config/listen_address.hpp"
#include "config/source.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

// (README.md)
bool is_answer(const json::object& object) {
  const json::value* const ok = object.if_contains("ok");
  if (ok == nullptr || !ok->is_bool()) return false;
  const json::value* const error = object.if_contains("error");
  return ok->get_bool() || (error != nullptr && error->is_string());
}

// (unix(7), "Address format")
std::pair<sockaddr_un, socklen_t> unix_name(const ListenAddress& address) {
  const std::string name = address.path.empty() ? '\0' + address.abstract_name : address.path.string();
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  const std::size_t end = address.path.empty() ? 0 : 1;
  if (name.size() + end > sizeof out.sun_path) throw std::invalid_argument(in_quotes(address.text) + " is too long");
  std::memcpy(out.sun_path, name.data(), name.size());
  return {out, static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + end)};
}

}  // namespace

ControlClient::ControlClient(const std::string& address) : address_(address) {
  const ListenAddress parsed = parse_listen_address(address, current_folder());
  if (parsed.kind != ListenAddress::Kind::unix_socket)
    throw std::invalid_argument(in_quotes(address) + " is no unix socket; write unix:PATH");
  const auto [name, size] = unix_name(parsed);
  fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error = fd_ < 0 ? errno : 0;
  // A server that accepts nobody would be waited for, too. (unix(7); socket(7), SO_SNDTIMEO)
  const timeval time{.tv_sec = patience.count(), .tv_usec = 0};
  if (fd_ >= 0) ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<const sockaddr*>(&name), size) != 0) {
    error = errno;
    ::close(fd_);
  }
  if (error == ENOENT || error == ECONNREFUSED) throw NoServer("no server at " + address + ": " + std::strerror(error));
  if (error == EAGAIN) throw lost("accepts nobody");
  if (error != 0)
    throw NoServer("cannot ask the server at " + address + ": " + std::strerror(error) +
                   (error == EACCES ? "; only its own user and root may, unless control says otherwise" : ""));
}

ControlClient::~ControlClient() { ::close(fd_); }

json::object ControlClient::ask(const json::object& command, Wait wait) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + patience;
  send(command);
  for (;;) {
    if (auto there = answer()) return *std::move(there);
    if (wait == Wait::for_patience) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
      pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
      if (left.count() <= 0) throw lost("does not answer");
      if (::poll(&readable, 1, static_cast<int>(left.count())) <= 0) continue;
    }
    receive();
  }
}

std::optional<json::object> ControlClient::ask(const json::object& command,
                                               const volatile std::sig_atomic_t& given_up) {
  constexpr int between_looks = 100;  // ms
  send(command);
  while (given_up == 0) {
    if (auto there = answer()) return there;
    pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, between_looks) > 0) receive();
  }
  return std::nullopt;
}

void ControlClient::send(const json::object& command) {
  const std::string line = json::serialize(command) + "\n";
  for (std::string_view rest = line; !rest.empty();) {
    const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) throw lost("does not answer");
    if (n < 0) return;  // what it has said before it went is there to be received
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
}

void ControlClient::receive() {
  std::array<char, 65536> part;
  const ssize_t n = ::recv(fd_, part.data(), part.size(), 0);
  if (n < 0 && errno == EINTR) return;
  if (n <= 0) throw lost("has gone before it answered");
  received_.append(part.data(), static_cast<std::size_t>(n));
}

std::optional<json::object> ControlClient::answer() {
  const std::size_t end = received_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  const std::string line = received_.substr(0, end);
  received_.erase(0, end + 1);
  boost::system::error_code error;
  const json::value value = json::parse(line, error);
  if (error || !value.is_object()) throw lost("has answered what is no JSON object");
  if (!is_answer(value.get_object())) throw no_answer();
  return value.get_object();
}

std::string control_address(const std::string& option) {
  if (!option.empty()) return option;
  const char* const variable = std::getenv("ASHLAR_CONTROL");
  return variable != nullptr && *variable != '\0' ? variable : "unix:/run/ashlar/control.sock";
}

}  // namespace ashlar::host
