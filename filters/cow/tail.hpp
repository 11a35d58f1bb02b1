// Tail: what the map has and its file lacks, kept behind the end of the disk in the same file, so that a server that is
// left no time to make it durable loses nothing.
//
// It is not made durable: like the data that clients have written it is in the page cache, which outlives the server,
// and not the machine. After a power cut any part of either may be there. So it says in which boot of the machine it
// was written, and counts in that one alone.
//
// It has two places, for who is ended while it writes must not leave less than was there: what is there counts until
// what is written at the other place is whole.
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

  // Of the file `fd`, which outlives it, and whose own bytes end at `end`; the map has `most` pages. Reads which boot
  // this is.
  Tail(int fd, std::uint64_t end, std::uint64_t most, ashlar::Host host);

  // What was left last in this boot, whole; else there are no pages. Once. Throws std::bad_alloc.
  Pages read();
  // In place of what is there, which stays if the file has no room for more. Does nothing if it cannot be told which
  // boot this is. Whoever writes to the map in the file calls forget() before that counts as done.
  void write(const Pages& pages) noexcept;
  bool counts() const noexcept { return serial_ != none_counts; }
  // Nothing is there that counts; the room is kept. Returns errno.
  int forget() noexcept;
  // The file ends at its end again, whatever is behind it. Returns errno.
  int cut() noexcept;

 private:
  struct Head;
  bool put(std::span<const std::byte> bytes, std::uint64_t at) noexcept;
  Head head_of(const Pages& pages, std::uint64_t serial) const noexcept;
  std::uint64_t place_of(std::uint64_t serial) const noexcept { return at_ + serial % 2 * room_; }
  void read_later(std::uint64_t at, std::uint64_t length, Pages& known);

  const int fd_;
  const std::uint64_t end_, at_, room_;
  const std::string boot_;  // empty: it cannot be told
  const ashlar::Blocking blocking_;
  bool may_count_ = true;
  // What is written next goes to the first place, so that the second one is taken where it is needed alone.
  static constexpr std::uint64_t none_counts = 1;
  std::uint64_t serial_ = none_counts, check_ = 0;  // of what counts
};
