// Parking: idle clients' sockets, waited for together, without a thread or a timer each. (epoll(7))
#pragma once
#include <functional>

#include "server/watch.hpp"

namespace ashlar::host {

class Parking {
 public:
  // Called with the `key` of a socket that can be received from, which is waited for no longer. It takes no sockets out
  // by remove() and does not throw. [the io thread]
  using Leaves = std::function<void(void* key)>;

  // Throws std::system_error when the kernel has no epoll instance to give.
  Parking(boost::asio::io_context& io, Leaves leaves);

  // Waits for the open `descriptor`. False: it cannot be waited for, errno says why. [the io thread]
  bool enter(int descriptor, void* key);
  // Waits for it no longer. [the io thread]
  void remove(int descriptor);

 private:
  void let_ready_leave();

  Leaves leaves_;
  Watch epoll_;
};

}  // namespace ashlar::host
