// Witness: another descriptor of a file, through which nothing is synced. The kernel tells each descriptor once of data
// that it could not write; so the witness is still told what a syncing call on the first one was told before.
#pragma once
#include <cerrno>
#include <utility>

#include "fd.hpp"
#include "syscalls.hpp"

namespace ashlar::fileops {

// Not to be used by two threads at once.
class Witness {
 public:
  // Of the file of `fd`. `possible`: see FileSystem::tells_each_of_lost_data.
  Witness(Syscalls& syscalls, int fd, bool possible) : sys_(syscalls), file_(fd), may_open_(possible) {}

  // Opens it, if it is not open and can be: this is tried once. From then on it is told. Returns whether it is open.
  bool open() {
    if (std::exchange(may_open_, false)) {
      fd_ = Fd{retry([this] { return sys_.open_again(file_); })};
      if (fd_.valid()) told_ = -sys_.lost_data(fd_.get());
      // The call is not there, or not allowed.
      if (told_ == ENOSYS || told_ == EPERM || told_ == EINVAL) fd_ = Fd{};
    }
    return is_open();
  }
  bool is_open() const { return fd_.valid(); }

  // The errno of data that were lost since it was asked last, or opened, or that nobody was told of before; 0: none
  // were. Does not wait.
  int lost() {
    if (told_ != 0) return std::exchange(told_, 0);
    return -sys_.lost_data(fd_.get());
  }

 private:
  Syscalls& sys_;
  const int file_;
  bool may_open_;
  Fd fd_;
  int told_ = 0;  // when it was opened
};

}  // namespace ashlar::fileops
