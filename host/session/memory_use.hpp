// MemoryUse: the memory that one session has of the pool, and how it waits for more without ever making others wait for
// good.
//
// A session that talks has a share: two buffers of the usual capacity, one for what it receives and one for its
// replies, and what its socket keeps to encrypt and decrypt. It claims them before it receives, holding nothing.
// Everything beyond (a large request or reply, what reads from the disk or jobs fill) is claimed one by one. Who waits
// for that holds its share and what ends by itself, that is the memory of jobs and of reads from the disk, but no other
// large buffer; so somebody can always go on. See Manners.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "session/buffer_pool.hpp"
#include "session/waiter.hpp"

namespace ashlar::host {

// Bytes that a session has claimed for what is no buffer. Given back by its destructor. [any thread]
class MemoryLease {
 public:
  // Of so many that have been claimed of `limit`, and are counted in `all`. Outlived by the limit.
  MemoryLease(MemoryLimit& limit, std::shared_ptr<std::atomic<std::uint64_t>> all)
      : limit_(limit), all_(std::move(all)) {}
  ~MemoryLease() { keep(0); }
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;

  // `bytes` have been claimed. Once.
  void take(std::size_t bytes) noexcept;
  // Gives back all but so many. [one thread at a time]
  void keep(std::size_t bytes) noexcept;

 private:
  MemoryLimit& limit_;
  const std::shared_ptr<std::atomic<std::uint64_t>> all_;
  std::size_t bytes_ = 0;
};

// All members: [the session's thread], unless something else is said. Its buffers may be let go of by any thread.
class MemoryUse final : private MemoryLimit::Waiting {
 public:
  // `stopping`: ends every wait.
  MemoryUse(BufferPool& pool, Waiter& waiter, Socket& socket, const std::atomic<bool>& stopping)
      : pool_(pool), waiter_(waiter), socket_(socket), stopping_(stopping) {}
  ~MemoryUse();
  MemoryUse(const MemoryUse&) = delete;
  MemoryUse& operator=(const MemoryUse&) = delete;

  // Claims the share, or waits for it. False: the server stops, or the client has gone.
  bool claim_share();
  bool has_share() const { return has_share_; }
  // Gives the share back, unless one of its buffers is in use.
  void give_share_back();
  // The share is so many bytes larger, from the next time on that it is claimed: what the socket keeps.
  void enlarge_share(std::size_t bytes) { next_share_bytes_ += bytes; }
  bool share_is_enlarged() const { return share_bytes_ > 2 * BufferPool::usual_capacity; }

  // Claims `bytes`, to keep what has been received of a request while the client says nothing. False: there is no room,
  // or it is too much. [once until give_part_back()]
  bool try_keep_part(std::size_t bytes);
  void give_part_back();

  // A buffer of the share. Null: both are in use.
  std::shared_ptr<Buffer> usual();
  // A buffer of at least `capacity` bytes beyond the share; null: there is no room for it now. Throws std::bad_alloc.
  std::shared_ptr<Buffer> try_take(std::size_t capacity) { return counted(pool_.try_take(capacity)); }
  // As try_take(), but waits; null: the server stops, or the client has gone. What must not be held meanwhile is given
  // back first by the function that was set with set_give_back(). Of the usual capacity, it may be one of the share
  // that has come free.
  std::shared_ptr<Buffer> take(std::size_t capacity);
  void set_give_back(std::function<void()> give_back) { give_back_ = std::move(give_back); }

  // Claims `bytes` beyond the share for what is no buffer, as long as anybody has what is returned. Null: there is no
  // room for them now.
  std::shared_ptr<MemoryLease> try_lease(std::size_t bytes);
  // As try_lease(), but waits; null: the server stops, or the client has gone. The session holds its share at most.
  std::shared_ptr<MemoryLease> lease(std::size_t bytes);

  // Bytes that this session has, its share included. [any thread]
  std::uint64_t bytes() const { return bytes_->load(std::memory_order_relaxed); }
  // Whether anybody waits for memory, this session too. [any thread]
  bool is_wanted() const { return pool_.wanted(); }
  // Whether `buffer` may be kept for the next request, which costs less than to take another of the pool: a small one,
  // and not while anybody waits for memory, as this session may within the call. [any thread]
  bool may_keep(const Buffer& buffer) const { return buffer.capacity() <= BufferPool::small_capacity && !is_wanted(); }
  // Whether another session does. [any thread]
  bool wanted_by_others() const { return pool_.waiting() > (waits_.load(std::memory_order_relaxed) ? 1u : 0u); }

 private:
  // A part that is larger is worth the buffer that it is in. An option of 64 KiB is none, nor is a write of as much.
  static constexpr std::size_t most_of_part = 68 * 1024;
  void granted() noexcept override { waiter_.wake(); }
  bool share_is_free() const;
  std::shared_ptr<Buffer> counted(std::shared_ptr<Buffer> buffer) const;
  template <class Else>
  bool wait_for(MemoryLimit& limit, std::size_t bytes, Else otherwise);

  BufferPool& pool_;
  Waiter& waiter_;
  Socket& socket_;
  const std::atomic<bool>& stopping_;
  std::function<void()> give_back_;
  std::atomic<bool> waits_{false};
  bool has_share_ = false;
  std::size_t next_share_bytes_ = 2 * BufferPool::usual_capacity;
  std::size_t share_bytes_ = 0;  // of the one that it has
  std::size_t part_bytes_ = 0;
  std::atomic<bool> in_use_[2] = {};
  const std::shared_ptr<std::atomic<std::uint64_t>> bytes_ = std::make_shared<std::atomic<std::uint64_t>>(0);
};

}  // namespace ashlar::host
