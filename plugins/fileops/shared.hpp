// SharedBackend: the backends of a layer. Its connections share one, those that write and those that only read each
// their own; where the path has come to lead to another file or device, those that come from then on share that one,
// and those that were there keep theirs.
#pragma once
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>

#include "open.hpp"

namespace ashlar::fileops {

class SharedBackend {
 private:
  struct Entry {
    Identity identity;
    bool read_only;
    std::shared_ptr<Backend> backend;
    std::shared_ptr<Backend> holder;  // of the exclusive hold on the device, when that is not this one's
    std::size_t users = 1;            // 0: the last has gone and closes it
  };

 public:
  // `syscalls`: another one for tests.
  SharedBackend(OpenOptions options, Host host, std::unique_ptr<Syscalls> syscalls = std::make_unique<Syscalls>())
      : options_(std::move(options)), host_(host), syscalls_(std::move(syscalls)) {}
  SharedBackend(const SharedBackend&) = delete;
  SharedBackend& operator=(const SharedBackend&) = delete;

  // A connection's hold on a backend: that of the file or device to which the path leads when the connection comes.
  class Use {
   public:
    // Opens the backend if nobody uses it yet; `read_only`: the connection will not write, others of the layer may.
    // Throws OpenError. [control, any thread]
    Use(SharedBackend& shared, bool read_only) : shared_(shared), entry_(shared.enter(read_only)) {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    // Closes the backend if nobody else uses it. It never waits for somebody who opens one.
    ~Use() { shared_.leave(entry_); }
    Backend& operator*() const { return *entry_.backend; }
    Backend* operator->() const { return entry_.backend.get(); }

   private:
    SharedBackend& shared_;
    Entry& entry_;
  };

 private:
  Entry& enter(bool read_only);
  Entry* join(const Identity& identity, bool read_only, std::shared_ptr<Backend>& holder);
  Entry& add(Entry entry);
  void leave(Entry& entry);

  const OpenOptions options_;
  const Host host_;
  const std::unique_ptr<Syscalls> syscalls_;
  std::mutex opening_;  // one opens at a time: what is opened exclusively must be found by the next
  std::mutex mutex_;    // never held while the kernel may wait for storage
  std::condition_variable closed_;
  std::list<Entry> entries_;
};

}  // namespace ashlar::fileops
