// Landlock: the kernel's bound on the files that a thread may open, and on where it may connect. (landlock(7))
#pragma once
#include "sandbox/each_thread.hpp"
#include "sandbox/grants.hpp"

namespace ashlar::host {

class Landlock final : public PerThread {
 public:
  // What the kernel has of it, from 1; 0 or less: nothing, and the negative errno number says why.
  static int version() noexcept;

  // For a kernel of `version`, at least 1. Grants on what cannot be found are passed over: they would be of no use.
  // `connect`: tcp connections to others are allowed. Throws std::system_error.
  Landlock(int version, const Grants& grants, bool connect);
  ~Landlock() override;
  Landlock(const Landlock&) = delete;
  Landlock& operator=(const Landlock&) = delete;

  // Bounds the calling thread, and those that it will start, for good; it can gain no privileges either. Returns 0 or
  // an errno number. [any thread]
  int act() const noexcept override;

  // Whether it refuses tcp connections to others: from version 4, unless they were allowed.
  bool bounds_tcp() const { return bounds_tcp_; }

 private:
  const bool bounds_tcp_;
  int fd_;
};

}  // namespace ashlar::host
