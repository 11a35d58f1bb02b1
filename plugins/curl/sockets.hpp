// Sockets: those that libcurl has open for a layer. Some of what libcurl does waits for the server, such as its
// farewell by ftp; when all sockets are cut off, that ends at once.
#pragma once
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <new>
#include <set>

// Outlives the handles. [any thread]
class Sockets {
 public:
  // A connection is given up when what was sent has not been acknowledged for `timeout`: libcurl would go on using it.
  explicit Sockets(std::chrono::milliseconds timeout) : timeout_(static_cast<unsigned>(timeout.count())) {}
  void serve(CURL* handle) {
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &open);
    curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
    curl_easy_setopt(handle, CURLOPT_CLOSESOCKETFUNCTION, &close);
    curl_easy_setopt(handle, CURLOPT_CLOSESOCKETDATA, this);
  }
  // None is opened any more.
  void cut_off() {
    const std::lock_guard lock(mutex_);
    cut_off_ = true;
    for (const int one : open_) ::shutdown(one, SHUT_RDWR);
  }

 private:
  static curl_socket_t open(void* self, curlsocktype, curl_sockaddr* address) noexcept {
    auto& me = *static_cast<Sockets*>(self);
    const std::lock_guard lock(me.mutex_);
    if (me.cut_off_) return CURL_SOCKET_BAD;
    const int made = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (made < 0) return CURL_SOCKET_BAD;
    ::setsockopt(made, IPPROTO_TCP, TCP_USER_TIMEOUT, &me.timeout_, sizeof me.timeout_);
    try {
      me.open_.insert(made);
    } catch (const std::bad_alloc&) {
      ::close(made);
      return CURL_SOCKET_BAD;
    }
    return made;
  }
  static int close(void* self, curl_socket_t socket) noexcept {
    auto& me = *static_cast<Sockets*>(self);
    const std::lock_guard lock(me.mutex_);
    me.open_.erase(socket);
    return ::close(socket);
  }

  const unsigned timeout_;  // milliseconds
  std::mutex mutex_;
  std::set<int> open_;
  bool cut_off_ = false;
};
