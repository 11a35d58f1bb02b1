// Replies: when the replies of one connection left, by the request's id, as long as about so many requests come. Most
// replies leave soon after their request was done: here they cost two writes to memory, and nothing in the ring.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

namespace ashlar::trace {

class Replies {
 public:
  static constexpr std::size_t slots = 1 << 14;  // a power of two; as many as a ring of 1 MiB has records
  // A reply belongs here when its request is among so many newest ones. So one that was put in is not written over
  // before as many others have come.
  static constexpr std::uint64_t newest = slots / 2;

  // Memory is used as far as it is filled. Throws std::bad_alloc.
  Replies() : slots_(static_cast<Slot*>(std::calloc(slots, sizeof(Slot)))) {
    if (slots_ == nullptr) throw std::bad_alloc();
  }

  // The reply to `id` left at `time`; 0: the client was told nothing. [any thread]
  void put(std::uint64_t id, std::uint64_t time) noexcept {
    Slot& slot = slot_of(id);
    // Whoever sees the new time sees that the old id has gone.
    slot.id.store(0, std::memory_order_relaxed);
    slot.time.store(time, std::memory_order_release);
    slot.id.store(id, std::memory_order_release);
  }
  // When it left; 0: the client was told nothing. nullopt: it has not left yet, or that was put elsewhere or written
  // over. [any thread]
  std::optional<std::uint64_t> find(std::uint64_t id) const noexcept {
    const Slot& slot = slot_of(id);
    if (slot.id.load(std::memory_order_acquire) != id) return std::nullopt;
    const std::uint64_t time = slot.time.load(std::memory_order_acquire);
    if (slot.id.load(std::memory_order_relaxed) != id) return std::nullopt;
    return time;
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> id, time;
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  Slot& slot_of(std::uint64_t id) const { return slots_.get()[id & (slots - 1)]; }

  const std::unique_ptr<Slot[], Free> slots_;
};

}  // namespace ashlar::trace
