// Parking: idle clients' sockets, waited for together, without a thread or a timer each. (epoll(7))
#pragma once
#include <functional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

namespace ashlar::host {

class Parking {
 public:
  // Called with the `key` of a socket that can be received from, which is waited for no longer. [the io_context's thread]
  using Leaves = std::function<void(void* key)>;

  // Throws std::system_error when the kernel has no epoll instance to give.
  Parking(boost::asio::io_context& io, Leaves leaves);
  Parking(const Parking&) = delete;
  Parking& operator=(const Parking&) = delete;

  // Waits for the open `descriptor`. False: it cannot be waited for, errno says why. [the io_context's thread]
  bool enter(int descriptor, void* key);
  // Waits for it no longer. [the io_context's thread]
  void remove(int descriptor);

  // Ends the waiting, so that the io_context can run out of work. [the io_context's thread]
  void close();

 private:
  void wait();
  void let_ready_leave();

  boost::asio::posix::stream_descriptor epoll_;
  Leaves leaves_;
};

}  // namespace ashlar::host
