// Alone: held over calls that wait, where it would be a mutex otherwise.
#pragma once
#include <ashlar/range_lock.hpp>
#include <new>

struct Alone : ashlar::RangeLock::Hold {
  // Throws std::bad_alloc.
  explicit Alone(ashlar::RangeLock& lock) : Hold(lock, 0, 1, ashlar::RangeLock::Mode::exclusive) {
    if (!held()) throw std::bad_alloc();
  }
};
