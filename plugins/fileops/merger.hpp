// Merger: the zeroes and trims of one file that requests wait for, one after another, as its file system would have
// them anyway (they hold the inode's lock); those that touch are done as one, as each costs a change of metadata,
// however short it is.
#pragma once
#include <ashlar/io.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "range.hpp"
#include "wakeup.hpp"

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
  static constexpr std::size_t most_at_once = 16;         // done as one
  static constexpr std::uint64_t most_bytes = 32u << 20;  // of several done as one

  // `act`: does one. Called for one at a time.
  Merger(std::optional<Wait> wait, std::function<Status(const Zeroing&)> act) : wait_(wait), act_(std::move(act)) {}
  Merger(const Merger&) = delete;
  Merger& operator=(const Merger&) = delete;

  struct Result {
    Status status;
    bool in_vain;  // others were of no use: there were none, or what they wanted did not touch this
  };
  // Does it in its turn, with others that wait, or waits until another has done it. The answer is what doing it alone
  // gives: of several that fail together, each is done again. ENOMEM: there was no memory to wait with.
  Result run(const Zeroing& zeroing);

  // How many wait for their turn; for tests.
  std::size_t waiting() const;

 private:
  struct Waiting;

  void append(Waiting& one);
  Zeroing take_with_touching(Waiting& one);

  const std::optional<Wait> wait_;
  const std::function<Status(const Zeroing&)> act_;
  mutable std::mutex mutex_;
  bool busy_ = false;
  Waiting* first_ = nullptr;  // in the order they came; on their stacks
  Waiting* last_ = nullptr;
};

}  // namespace ashlar::fileops
