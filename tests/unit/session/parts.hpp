// Parts: what one session consists of besides its requests, for tests of those.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

#include "session/inbox.hpp"
#include "session/memory_use.hpp"
#include "session/waiter.hpp"
#include "wire_pair.hpp"

namespace ashlar::host {

constexpr std::size_t mib = 1 << 20;

// Limits with room for the shares of a few sessions, and `rest` bytes for everything else.
constexpr BufferPool::Limits with_room(std::size_t rest) { return {16 * BufferPool::usual_capacity, rest}; }

// A buffer of `capacity`, waited for.
inline std::shared_ptr<Buffer> take(BufferPool& pool, std::size_t capacity) {
  struct Waiting final : MemoryLimit::Waiting {
    void granted() noexcept override {}
  } nobody;
  if (auto buffer = pool.try_take(capacity)) return buffer;
  MemoryLimit::Claim claim(pool.limit(), BufferPool::bytes_to_claim(capacity), nobody);
  while (!claim.granted()) {
    pool.drop_kept();
    std::this_thread::yield();
  }
  claim.keep();
  return pool.take_claimed(capacity);
}

// The share is claimed, as it is while a session runs.
struct Parts {
  explicit Parts(BufferPool& pool)
      : socket(wire.make_socket()), waiter(*socket), memory(pool, waiter, *socket, stopping), inbox(memory) {
    memory.claim_share();
  }

  WirePair wire;
  std::atomic<bool> stopping{false};
  std::atomic<bool> waits_to_send{false};
  std::unique_ptr<Socket> socket;
  Waiter waiter;
  MemoryUse memory;
  Inbox inbox;
};

}  // namespace ashlar::host
