// Has each thread of this process do something, as the kernel binds threads one by one.
#pragma once
#include <memory>
#include <string>
#include <vector>

namespace ashlar::host {

// What each thread does once. Called in a signal handler, so it takes no lock and no memory; returns 0 or an errno
// number. Called by threads that have the signal blocked when they let it come, maybe much later.
class PerThread {
 public:
  virtual ~PerThread() = default;
  virtual int act() const noexcept = 0;
};

// Calls `what`, which is kept as long as the process lives, on the calling thread, and on each other by the signal
// SIGRTMAX; threads that begin meanwhile are found, too. Returns the names of the threads that have not done it, each
// with why: they have the signal blocked, or it has failed in them. Throws std::system_error when the signal is not to
// be had. To be called once in a process.
std::vector<std::string> on_each_thread(std::shared_ptr<const PerThread> what);

}  // namespace ashlar::host
