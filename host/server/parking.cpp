#include "server/parking.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>

namespace ashlar::host {

Parking::Parking(boost::asio::io_context& io, Leaves leaves)
    : leaves_(std::move(leaves)),
      epoll_(io, ::epoll_create1(EPOLL_CLOEXEC), "epoll_create1", [this] { let_ready_leave(); }) {}

// A socket that has left stays known to the kernel, but is not waited for; its end makes the kernel forget it.
bool Parking::enter(int descriptor, void* key) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
  event.data.ptr = key;
  if (::epoll_ctl(epoll_.fd(), EPOLL_CTL_MOD, descriptor, &event) == 0) return true;
  return errno == ENOENT && ::epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Parking::remove(int descriptor) { ::epoll_ctl(epoll_.fd(), EPOLL_CTL_DEL, descriptor, nullptr); }

void Parking::let_ready_leave() {
  std::array<epoll_event, 128> ready;
  const int n = ::epoll_wait(epoll_.fd(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < n; ++i) leaves_(ready[static_cast<std::size_t>(i)].data.ptr);
}

}  // namespace ashlar::host
