// ExtentWalk: the extents of a range of a file, one after the other, by lseek(SEEK_DATA) and lseek(SEEK_HOLE).
#pragma once
#include <cstdint>

#include "range.hpp"
#include "syscalls.hpp"

namespace ashlar::fileops {

struct FoundExtent {
  Range range;  // never empty
  bool hole = false;
};

// The file may change under the walk: an extent tells what was so at some moment during its search. What cannot be made
// out, as holes keep moving, is called data. What lies behind the end of the file is nothing, not a hole.
class ExtentWalk {
 public:
  ExtentWalk(Syscalls& syscalls, int fd, Range range) : sys_(syscalls), fd_(fd), left_(range) {}

  // Finds the next extent, cut at the end of the range and of the file. Returns false at the end of the range, where
  // the file has ended, or when the kernel cannot tell: see error(). Takes at most 8 calls of lseek(2), two as a rule
  // for a hole and the data behind it, and one for the size.
  bool next(FoundExtent& found);
  int error() const { return error_; }  // errno, or 0; EIO: the file ends before what is left
  Range left() const { return left_; }  // not walked yet

 private:
  std::int64_t seek(int whence);
  bool give(FoundExtent& found, std::uint64_t end, bool hole);
  bool give_rest(FoundExtent& found, bool hole);

  Syscalls& sys_;
  int fd_;
  Range left_;
  bool at_data_ = false;  // the rest begins with data, or did so a moment ago
  int error_ = 0;
};

}  // namespace ashlar::fileops
