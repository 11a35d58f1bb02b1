// Merger: the zeroes and trims of one file, one after another, as its file system would have them anyway (they hold the
// inode's lock, and a journal entry costs more than the blocks). Those that have to wait and touch each other are done
// as one.
#pragma once
#include <ashlar/io.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>

#include "range.hpp"

namespace ashlar::fileops {

// A zero or trim that is to be done. FUA is not part of it: whoever wants it syncs afterwards.
struct Zeroing {
  Op op;  // zero or trim
  bool may_trim, fast;
  Range range;
};

// [any thread]
class Merger {
 public:
  static constexpr std::size_t most_at_once = 16;         // the first of them waits for the last
  static constexpr std::uint64_t most_bytes = 32u << 20;  // of those done as one

  // `act`: does one. Called by one thread at a time.
  explicit Merger(std::function<Status(const Zeroing&)> act) : act_(std::move(act)) {}
  Merger(const Merger&) = delete;
  Merger& operator=(const Merger&) = delete;

  struct Result {
    Status status;
    bool in_vain;  // waiting for other threads gained nothing: none was merged, and none could yet be
  };
  // Does it, alone or with others, or waits until another thread has done it. The answer is what doing it alone gives:
  // of several that fail together, each is done again.
  Result run(const Zeroing& zeroing);

  // How many wait for their turn or for another thread's.
  std::size_t waiting() const;

  // Calls act() in its turn, if that is now; else returns nothing.
  template <class Act>
  std::optional<Status> try_run(Act&& act) {
    State idle = State::idle;
    if (!state_.compare_exchange_strong(idle, State::busy, std::memory_order_acquire)) return std::nullopt;
    const Status status = act();
    State busy = State::busy;
    if (!state_.compare_exchange_strong(busy, State::idle, std::memory_order_release)) hand_on();
    return status;
  }

 private:
  enum class State : std::uint8_t { idle, busy, awaited };
  enum class Turn : std::uint8_t { waits, leads, over };
  struct Waiting;

  Turn wait(const Waiting& one) const;
  bool hand_on();
  std::size_t take(std::span<Waiting*> batch);
  bool carry_out(std::span<Waiting*> batch);

  const std::function<Status(const Zeroing&)> act_;
  std::atomic<State> state_{State::idle};  // awaited: others have to be told when it ends
  std::atomic<std::uint32_t> turns_{0};    // counts the changes of anybody's turn
  mutable std::mutex mutex_;
  Waiting* first_ = nullptr;  // in the order they came; on their threads' stacks
  Waiting* last_ = nullptr;
};

}  // namespace ashlar::fileops
