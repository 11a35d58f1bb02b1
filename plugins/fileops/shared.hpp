// SharedBackend: the one backend of a layer, opened by its first connection and closed by its last.
#pragma once
#include <memory>
#include <mutex>

#include "open.hpp"

namespace ashlar::fileops {

class SharedBackend {
 public:
  SharedBackend(OpenOptions options, Host host) : options_(std::move(options)), host_(host) {}
  SharedBackend(const SharedBackend&) = delete;
  SharedBackend& operator=(const SharedBackend&) = delete;

  // A connection's hold on the backend.
  class Use {
   public:
    // Opens the backend if nobody uses it yet; `read_only`: the connection will not write, and all others of the layer
    // neither. Throws OpenError. [control, any thread]
    Use(SharedBackend& shared, bool read_only) : shared_(shared), backend_(shared.enter(read_only)) {}
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() { shared_.leave(); }
    Backend& operator*() const { return backend_; }
    Backend* operator->() const { return &backend_; }

   private:
    SharedBackend& shared_;
    Backend& backend_;
  };

 private:
  // Both hold the lock while they open and close: a device that is opened exclusively cannot be opened again until it
  // is closed.
  Backend& enter(bool read_only) {
    const std::lock_guard lock(mutex_);
    if (backend_ == nullptr) {
      OpenOptions options = options_;
      options.read_only = options.read_only || read_only;
      backend_ = open_backend(options, syscalls_, host_);
    }
    ++users_;
    return *backend_;
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    if (--users_ == 0) backend_.reset();
  }

  const OpenOptions options_;
  const Host host_;
  Syscalls syscalls_;
  std::mutex mutex_;
  std::unique_ptr<Backend> backend_;
  std::size_t users_ = 0;
};

}  // namespace ashlar::fileops
