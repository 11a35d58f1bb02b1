// Parts: of blocks that are in the store in part alone, which parts are there; the others are in the base. One bit a
// part.
#pragma once
#include <cstdint>

#include "words.hpp"

// Says nothing about a block that Map has elsewhere. A part that is there stays so until clear(). [any thread]
class Parts {
 public:
  // Throws std::system_error: out of memory.
  explicit Parts(std::uint64_t parts);

  // Parts that are all there, or all not, up to `end`.
  struct Run {
    bool there;
    std::uint64_t end;  // behind `begin`, whatever changes meanwhile
  };
  Run run(std::uint64_t begin, std::uint64_t end) const;
  // From now on [begin, end) is there.
  void add(std::uint64_t begin, std::uint64_t end);
  // While no request runs.
  void clear() { words_.clear(); }

 private:
  static constexpr std::uint64_t parts_of_word = 64;

  Words words_;
};
