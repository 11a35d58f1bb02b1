// Ring: what the threads of one connection hand to the thread that writes. Any number of threads put events in, one
// takes them out, in the order in which room was claimed. Nobody waits: what finds no room is not put in.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ashlar::trace {

class Ring {
 public:
  // Stands before the bytes of each event.
  struct Event {
    std::atomic<std::uint32_t> size;  // with this header; 0: it is not there yet
    std::uint32_t kind;

    std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
    const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(this + 1); }
  };
  static_assert(sizeof(Event) == 8);

  // `capacity`: bytes, a power of two. Memory is used as far as the ring is filled. Throws std::system_error.
  explicit Ring(std::size_t capacity);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Room for an event of `bytes` that leaves `spare` bytes free for others; nullptr: there is none. What is claimed has
  // to be put() soon, as nothing behind it is taken out before. Bytes are 0. [any thread]
  Event* claim(std::size_t bytes, std::size_t spare) noexcept;
  // The event is complete. True: the ring has become fuller by a quarter since this was last true; who takes out is to
  // be woken. [the thread that claimed]
  bool put(Event* event, std::size_t bytes, std::uint32_t kind) noexcept;

  // The oldest event that has not been popped; nullptr: there is none. [the thread that takes out]
  Event* front() noexcept;
  // It is done with. Its room is free after the next release(), which comes by itself when much has been popped. [the
  // thread that takes out]
  void pop() noexcept;
  // The room of what has been popped is free. [the thread that takes out]
  void release() noexcept;

  // Bytes that are free, roughly. [any thread]
  std::size_t room() const noexcept {
    return capacity_ -
           static_cast<std::size_t>(tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_relaxed));
  }
  std::size_t capacity() const { return capacity_; }

  // Bytes that an event takes in the ring.
  static std::size_t size_of(std::size_t bytes) { return (sizeof(Event) + bytes + 7) / 8 * 8; }

 private:
  // So many bytes are freed together: filling them with zeroes costs little then, and threads that put in are seldom
  // disturbed.
  static constexpr std::size_t most_popped = 16 << 10;
  // Fills the end of the memory, where an event does not fit.
  static constexpr std::uint32_t padding = UINT32_MAX;
  Event* at(std::uint64_t position) const { return reinterpret_cast<Event*>(memory_ + (position & (capacity_ - 1))); }

  const std::size_t capacity_;
  std::byte* const memory_;
  // Each on a cache line of its own: threads that put in do not disturb the one that takes out.
  alignas(64) std::atomic<std::uint64_t> tail_{0};       // where the next event goes
  alignas(64) std::atomic<std::uint64_t> seen_head_{0};  // head_, as it was seen by those who put in
  alignas(64) std::atomic<std::uint64_t> head_{0};       // the oldest event whose room is not free
  std::uint64_t popped_ = 0;                             // the oldest event that has not been popped
};

}  // namespace ashlar::trace
