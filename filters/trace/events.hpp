// What a connection's threads tell the thread that writes.
#pragma once
#include <cstdint>
#include <ctime>

namespace ashlar::trace {

enum EventKind : std::uint32_t {
  event_tried = 1,  // Asked: a try without waiting would have blocked; the same request comes again
  event_done = 2,   // Asked, then its payload
  event_sent = 3,   // Sent, of a reply that does not belong into Replies
};

struct Asked {
  std::uint64_t id;
  std::uint64_t flags;
  std::uint64_t offset;
  std::uint64_t length;
  std::uint64_t start;  // nanoseconds of CLOCK_MONOTONIC
  std::uint64_t done;
  std::int32_t result;
  std::uint32_t depth;
  std::uint32_t op;
  std::uint8_t payload;    // PayloadKind
  std::uint8_t marks;      // of the record
  std::uint8_t lent_cold;  // 1: may come again, when its bytes could not be read
  std::uint8_t unused;
};
static_assert(sizeof(Asked) == 64);

struct Sent {
  std::uint64_t id;
  std::uint64_t time;  // 0: the reply did not reach the client
};

// Nanoseconds.
inline std::uint64_t monotonic_now(clockid_t clock = CLOCK_MONOTONIC) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace ashlar::trace
