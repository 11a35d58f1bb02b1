// Index: where each frame is, packed and unpacked. A frame is what can be unpacked by itself: a frame of zstd, a block
// of xz.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ashlar::frames {

struct Frame {
  std::uint64_t from = 0;    // where it begins in the layer below
  std::uint64_t offset = 0;  // where its bytes begin on the disk
  std::uint32_t packed = 0;  // bytes there
  std::uint32_t length = 0;  // bytes here
  std::uint32_t tag = 0;     // what the format needs to check it
  std::uint64_t packed_end() const { return from + packed; }
  std::uint64_t end() const { return offset + length; }
};

class Index {
 public:
  // `longest`: of a frame, unpacked, in bytes. `remedy`: how a file is made that has no longer ones.
  Index(std::uint64_t longest, std::string remedy) : longest_(longest), remedy_(std::move(remedy)) {}

  // Adds the next frame of the disk; one without bytes is left out. Throws std::invalid_argument: it is too long, or
  // has more packed bytes than it can need, or there are too many.
  void add(std::uint64_t from, std::uint64_t packed, std::uint64_t length, std::uint32_t tag = 0);

  // When all has been added: throws likewise if there is one frame alone, and it has more than 1 MiB.
  void refuse_one_large() const;

  std::uint64_t size() const { return frames_.empty() ? 0 : frames_.back().end(); }
  std::uint64_t count() const { return frames_.size(); }
  const Frame& operator[](std::uint64_t number) const { return frames_[number]; }
  // The number of the frame that holds the byte at `offset`, which is less than size().
  std::uint64_t find(std::uint64_t offset) const;
  // Throws std::invalid_argument: `what`, and the remedy.
  [[noreturn]] void refuse(const std::string& what) const;
  // Likewise, of a file that was made well and is damaged or cut: no other way of making it would help.
  [[noreturn]] static void refuse_broken(const std::string& what);

 private:
  std::uint64_t longest_;
  std::string remedy_;
  std::vector<Frame> frames_;
};

}  // namespace ashlar::frames
