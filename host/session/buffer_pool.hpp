// BufferPool: where buffers come from. Every byte of capacity that it has given out counts against a limit, whatever
// the buffer's size and whoever has it; some that nobody uses are kept, because new memory costs more than copying into
// it.
#pragma once
#include <memory>

#include "session/buffer.hpp"
#include "session/memory_limit.hpp"

namespace ashlar::host {

class BufferPool {
 public:
  // Buffers come in these capacities, and above them in whole pages.
  static constexpr std::size_t small_capacity = 16 * 1024;
  static constexpr std::size_t usual_capacity = 256 * 1024;

  // Bytes of buffers at most. The sessions' shares (see MemoryUse) have a limit of their own, so that small requests
  // get on while large ones wait for memory; so has what clients that say nothing have sent of a request.
  struct Limits {
    std::size_t shares;
    std::size_t rest;
    std::size_t parts = 0;
  };
  static constexpr Limits limits_for(std::size_t max_memory) {
    const std::size_t shares = max_memory / 4, parts = max_memory / 16;
    return {.shares = shares, .rest = max_memory - shares - parts, .parts = parts};
  }

  explicit BufferPool(Limits limits);

  // Buffers that are in use stay so, also beyond smaller limits. [any thread]
  void set_limits(Limits limits);

  // A buffer of at least `capacity` bytes; null when the limit leaves no room for it, or others wait. It goes back to
  // the pool, or to the system, when its last owner lets go. Throws std::bad_alloc. [any thread]
  std::shared_ptr<Buffer> try_take(std::size_t capacity);
  // As try_take, out of `bytes_to_claim(capacity)` that the caller has claimed from limit(). When it throws, they are
  // given back.
  std::shared_ptr<Buffer> take_claimed(std::size_t capacity);
  static std::size_t bytes_to_claim(std::size_t capacity);
  // A buffer of the usual capacity that counts nothing, because its bytes are claimed from shares() by the caller until
  // it is back. `in_use` is set to false then; it lives as long as the buffer does. Throws std::bad_alloc. [any thread]
  std::shared_ptr<Buffer> take_usual_uncounted(std::atomic<bool>& in_use);

  MemoryLimit& limit();   // of all buffers that are taken one by one
  MemoryLimit& shares();  // of the sessions' shares
  MemoryLimit& parts();   // of parts of requests that are kept without a buffer; nobody waits for it
  // Gives what is kept for later to the system: for who is about to wait for memory. [any thread]
  void drop_kept();
  // How many wait for memory of either kind: who has some that he does not need should give it back. [any thread]
  unsigned waiting() const;
  bool wanted() const { return waiting() != 0; }

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ashlar::host
