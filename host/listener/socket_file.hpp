// SocketFile: the file by which clients find a unix socket. (unix(7))
#pragma once
#include <sys/types.h>

#include <filesystem>
#include <string>

#include "config/config.hpp"

namespace ashlar::host {

class SocketFile {
 public:
  // Binds the unix socket `fd` to `address.path` and listens. At no time has the file more rights than `address.mode`,
  // and nobody can connect before it belongs to `address.owner` and `address.group`. The file of a server that has
  // ended is taken over, one that somebody listens at is refused; of several servers that start at the same time one
  // gets it. Throws std::system_error that names the address, and leaves no file then.
  SocketFile(int fd, const ListenAddress& address, int backlog);
  ~SocketFile() { remove(); }
  SocketFile(const SocketFile&) = delete;
  SocketFile& operator=(const SocketFile&) = delete;

  // Removes the file, unless it is another's by now. To be called while the socket still listens: then nobody takes it
  // for one left behind meanwhile.
  void remove();

 private:
  void bind(int fd);
  void take_over(int fd, bool alone);
  void give_rights(const ListenAddress& address);
  [[noreturn]] void fail(int error, const std::string& what = "") const;

  const std::filesystem::path path_;
  bool bound_ = false;
  ino_t inode_ = 0;
  dev_t device_ = 0;
};

}  // namespace ashlar::host
