// NoInode: while it lives, the test's program can make no file, as if its disk had no inode left.
#pragma once
#include <atomic>

namespace ashlar::testing {

inline std::atomic<bool> no_inode_left{false};

class NoInode {
 public:
  NoInode() { no_inode_left = true; }
  ~NoInode() { end(); }
  NoInode(const NoInode&) = delete;
  NoInode& operator=(const NoInode&) = delete;
  static void end() { no_inode_left = false; }
};

}  // namespace ashlar::testing
