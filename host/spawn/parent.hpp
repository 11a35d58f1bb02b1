// Parent: the process that has started the server, as long as it is there.
#pragma once

namespace ashlar::host {

class Parent {
 public:
  // The parent process of now. Throws std::system_error when the kernel has no descriptor to give.
  Parent();

  // Whether it had ended before it could be watched: another process, which adopts orphans, is the parent now.
  bool has_gone() const noexcept { return gone_; }
  // A descriptor that can be read when the parent has ended, whose owner the caller is; -1: the parent is outside of
  // this PID namespace, and the kernel sends SIGTERM when it ends.
  int descriptor() const noexcept { return fd_; }

 private:
  bool gone_ = false;
  int fd_ = -1;
};

}  // namespace ashlar::host
