#include "server/parking.hpp"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace ashlar::host {
namespace {

int make_epoll() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  return fd;
}

}  // namespace

Parking::Parking(boost::asio::io_context& io, Leaves leaves) : epoll_(io, make_epoll()), leaves_(std::move(leaves)) {
  wait();
}

bool Parking::enter(int descriptor, void* key) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLRDHUP;
  event.data.ptr = key;
  return ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void Parking::remove(int descriptor) { ::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_DEL, descriptor, nullptr); }

void Parking::close() {
  boost::system::error_code ignored;
  epoll_.close(ignored);
}

void Parking::wait() {
  epoll_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code error) {
    if (error) return;  // closed
    let_ready_leave();
    if (epoll_.is_open()) wait();
  });
}

void Parking::let_ready_leave() {
  std::array<epoll_event, 128> ready;
  const int n = ::epoll_wait(epoll_.native_handle(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < n && epoll_.is_open(); ++i) leaves_(ready[static_cast<std::size_t>(i)].data.ptr);
}

}  // namespace ashlar::host
