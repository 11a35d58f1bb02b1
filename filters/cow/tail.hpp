// Tail: what the map has and its file lacks, kept behind the end of the disk in the same file, so that a server that is
// left no time to make it durable loses nothing.
//
// It is not made durable: like the data that clients have written it is in the page cache, which outlives the server,
// and not the machine. After a power cut any part of either may be there. So it says in which boot of the machine it
// was written, and counts in that one alone.
#pragma once
#include <ashlar/blocking.hpp>
#include <ashlar/host.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

// [by one at a time]
class Tail {
 public:
  // Pages of the map: their numbers, and what they hold, one behind the other.
  struct Pages {
    std::vector<std::uint64_t> numbers;
    std::vector<std::byte> contents;
  };

  // Of the file `fd`, which outlives it, and whose own bytes end at `end`. Reads which boot this is.
  Tail(int fd, std::uint64_t end, ashlar::Host host);

  // What was left in this boot, whole; else there are no pages. Throws std::bad_alloc.
  Pages read() const;
  // In place of what is there. If the file has no room for it, or it cannot be told which boot this is, nothing is
  // there that counts. Whoever writes to the map in the file calls forget() before that counts as done.
  void write(const Pages& pages) noexcept;
  // Nothing is there that counts; the room is kept. Returns errno.
  int forget() noexcept;
  // The file ends at its end again, whatever is behind it. Returns errno.
  int cut() noexcept;

 private:
  struct Head;
  bool put(std::span<const std::byte> bytes, std::uint64_t at) noexcept;
  Head head_of(const Pages& pages) const noexcept;

  const int fd_;
  const std::uint64_t end_, at_;
  const std::string boot_;  // empty: it cannot be told
  const ashlar::Blocking blocking_;
  bool may_count_ = true;
};
