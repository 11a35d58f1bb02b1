// Format: what differs from one way of packing to another.
#pragma once
#include <ashlar/params.hpp>
#include <cstddef>
#include <memory>
#include <span>

#include "below.hpp"
#include "index.hpp"

namespace ashlar::frames {

// What became of a frame.
struct Outcome {
  const char* wrong = nullptr;  // why it cannot be unpacked; nullptr: it is
  bool other_length = false;    // it has more or fewer bytes than the index says: so what is behind it lies elsewhere
};

class Format {
 public:
  virtual ~Format() = default;

  // Where the frames are. `longest`: of one, in bytes. Throws std::invalid_argument when the bytes below are none that
  // can be served, with the command that makes some unless they are only damaged, and std::system_error. [within
  // describe()]
  virtual Index index(const Below& below, std::uint64_t longest) const = 0;
  // Fills `into`, all of it, from the bytes of a frame. [any thread]
  virtual Outcome unpack(const Frame& frame, std::span<const std::byte> packed, std::span<std::byte> into) noexcept = 0;
};

}  // namespace ashlar::frames
