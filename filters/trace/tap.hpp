// Tap: what one connection of a layer has to tell, and what the thread that writes knows of it.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "events.hpp"
#include "format/file_writer.hpp"
#include "pending.hpp"
#include "replies.hpp"
#include "ring.hpp"

namespace ashlar::trace {

struct Tap {
  explicit Tap(std::size_t ring_bytes) : ring(ring_bytes) {}

  // For the threads of the connection.
  Ring ring;
  Replies replies;
  alignas(64) std::atomic<std::uint32_t> under_way{0};  // requests in the layers below that may wait
  // Replies leave in batches, which are told of one by one: they have left when the first of them is told of. So the
  // clock, which costs more than the rest of it, is read again when a request was finished since, or when the coarse
  // clock, which costs nearly nothing, has moved on.
  std::atomic<std::uint64_t> last_done{0};   // of the requests
  std::atomic<std::uint64_t> batch_done{0};  // last_done when batch_time was read
  std::atomic<std::uint64_t> batch_tick{0};  // of the coarse clock, likewise
  std::atomic<std::uint64_t> batch_time{0};
  std::atomic<std::uint64_t> newest{0};   // the highest id that has come
  std::atomic<bool> goes_on{false};       // what must not wait next begins when the last request was done
  std::atomic<std::uint64_t> dropped{0};  // requests that found no room in the ring
  std::atomic<std::uint64_t> unseen{0};   // replies that found none
  std::atomic<bool> told{false};          // the layer hears of replies
  std::atomic<bool> closed{false};        // no event comes any more

  // For the thread that writes.
  std::uint64_t connection = 0;  // 0: of no client
  std::uint16_t place = 0;
  Described* place_texts = nullptr;  // the writer's
  Described client;
  Pending pending;
  std::uint64_t known_dropped = 0, known_unseen = 0, known_newest = 0;
  bool taken = false;           // out by the turn that is under way
  bool came = false;            // the file tells of it
  bool misses_replies = false;  // some of those that are pending may have left unseen
};

}  // namespace ashlar::trace
