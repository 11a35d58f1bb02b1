// MemoryLimit: how many bytes all clients together may hold. Who finds none left waits; first come, first served.
#pragma once
#include <atomic>
#include <cstddef>
#include <list>
#include <mutex>

namespace ashlar::host {

class MemoryLimit {
 public:
  // Called when a claim is granted, with the limit's lock held. [any thread]
  class Waiting {
   public:
    virtual void granted() noexcept = 0;

   protected:
    ~Waiting() = default;
  };

  explicit MemoryLimit(std::size_t bytes) : limit_(bytes) {}
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

  // Claims `bytes` if they are left and nobody waits. One claim that is larger than the limit is granted when there is
  // no other. [any thread]
  bool try_claim(std::size_t bytes);
  // Gives back what was claimed. [any thread]
  void release(std::size_t bytes);
  // What was claimed before stays claimed, also beyond a smaller limit. [any thread]
  void set(std::size_t bytes);
  // How many claims wait. [any thread]
  unsigned waiting() const { return waiting_.load(std::memory_order_relaxed); }

  // A claim that waits until it is granted, or given up by its destructor.
  class Claim {
   public:
    Claim(MemoryLimit& limit, std::size_t bytes, Waiting& who);
    ~Claim();
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    bool granted() const { return granted_.load(std::memory_order_acquire); }
    // The bytes are the caller's from now on. Once, after granted().
    void keep() { kept_ = true; }

   private:
    friend class MemoryLimit;
    MemoryLimit& limit_;
    const std::size_t bytes_;
    Waiting& who_;
    std::atomic<bool> granted_{false};
    bool kept_ = false;
    std::list<Claim*>::iterator place_;  // while it waits
  };

 private:
  bool fits(std::size_t bytes) const { return used_ == 0 || (bytes <= limit_ && used_ <= limit_ - bytes); }
  void grant_those_that_fit();

  std::mutex mutex_;
  std::size_t limit_;
  std::size_t used_ = 0;
  std::list<Claim*> queue_;  // oldest first
  std::atomic<unsigned> waiting_{0};
};

}  // namespace ashlar::host
