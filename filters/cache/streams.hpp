// Streams: which reads follow each other, and how much of what will follow is worth reading with them.
#pragma once
#include <array>
#include <cstdint>
#include <mutex>

#include "range.hpp"

namespace ashlar::caching {

// Looks at where reads begin and end. Several that go on where one before ended, or that keep the same distance, are a
// stream; so many are watched at once. [any thread]
class Streams {
 public:
  static constexpr std::size_t watched = 16;

  // A read of `one`, also one that is tried again.
  void note(Range one);
  // What is to be read for a read of `one` that was noted and has to go below: it and up to `most` bytes on the side on
  // which its stream goes on, more each time. May begin before the disk does, never below 0, and end behind it.
  Range with_ahead(Range one, std::uint64_t most);

 private:
  struct Stream {
    Range last;
    std::int64_t distance = 0;  // from where one begins to where the next one does
    unsigned steady = 0;        // how many have followed
    std::uint64_t ahead = 0;    // how much was read ahead the last time
    std::uint64_t used = 0;     // when, for who has to go
  };
  Stream* near(std::uint64_t offset);
  static bool follows(const Stream& stream, Range one);

  std::mutex mutex_;
  std::array<Stream, watched> streams_;
  std::uint64_t clock_ = 0;
};

}  // namespace ashlar::caching
