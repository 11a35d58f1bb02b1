// NotifySocket: where the service manager that has started the server hears how it is. (sd_notify(3))
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include <string>
#include <string_view>

namespace ashlar::host {

class NotifySocket {
 public:
  // At `address`, as $NOTIFY_SOCKET has it: an absolute path, or '@' and the name of an abstract socket; empty: there
  // is no service manager. Throws std::invalid_argument when it is neither, std::system_error when there is no socket
  // to be had.
  explicit NotifySocket(const std::string& address);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // Whether there is a service manager that wants to know.
  bool is_open() const noexcept { return fd_ >= 0; }
  // Sends assignments, one a line: "READY=1\nSTATUS=…". Waits for nobody. Returns 0 or an errno number: EAGAIN when
  // the service manager has too much to read. [any thread]
  int send(std::string_view text) const noexcept;

 private:
  int fd_ = -1;
  sockaddr_un address_{};
  socklen_t size_ = 0;
};

}  // namespace ashlar::host
