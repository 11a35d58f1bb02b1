// Model: what a device must hold at the places that are looked at.
#pragma once
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "ask.hpp"
#include "subject.hpp"

namespace ashlar::check {

using Random = std::mt19937_64;

class Model {
 public:
  // Bytes on either side of a place of a large disk (places()), unless told otherwise.
  static constexpr std::uint64_t around = 64 << 10;

  // Reads what the device holds there. Throws NotMade when it is empty. Outlived by the device.
  explicit Model(const Device& device, std::uint64_t bytes_around = around);
  // The same at these places.
  Model(const Device& device, const std::vector<Range>& places);

  const Device& device() const { return device_; }
  const Geometry& geometry() const { return device_.geometry(); }
  const std::vector<Range>& places() const { return places_; }

  // A range within one place that a request may have: on blocks, or up to the end. `most`: bytes.
  Range pick(Random& random, std::uint64_t most) const;
  // The longest that `op` takes, up to `most`.
  std::uint64_t longest(Op op, std::uint64_t most) const;

  // What changes are to have done. Ranges that are not looked at are left out.
  void put(std::uint64_t offset, std::span<const std::byte> bytes);
  void put_zeroes(Range range);
  // What it holds there now is right, whatever it is.
  void reload(Range range, bool trimmed);
  // What it holds there is right from now on, whatever it is and whenever it changes.
  void forget(Range range);
  // The known bytes of the range, which lies within one place.
  std::span<const std::byte> bytes(Range range) const;
  // Whether something in the range was trimmed, and not written since.
  bool trimmed(Range range) const;
  // Where the first byte lies that is known and is not as in `got`, which was read at `offset` within one place.
  std::optional<std::uint64_t> differs(std::uint64_t offset, std::span<const std::byte> got) const;

  // Throws Broken when the range reads otherwise.
  void compare(Range range, const std::string& after = {}) const { compare(device_, range, {}, after); }
  void compare(const Device& by, Range range, Flags flags, const std::string& after = {}) const;
  // A range with what is beside it.
  void compare_around(Range range, const std::string& after) const;
  void compare_all(const Device& by, const std::string& after = {}) const;
  // What was told of the range. `what`: whose extents it is.
  void compare_extents(Range range, const Told& told, const std::string& what) const;

 private:
  struct Part {  // of a range, within a place
    std::size_t place;
    Range range;
  };
  std::vector<Part> parts(Range range) const;
  Range on_blocks(Range range) const;

  const Device& device_;
  std::vector<Range> places_;
  std::vector<Bytes> bytes_;
  std::vector<std::vector<bool>> trimmed_, forgotten_;
};

// `n` bytes that are seldom equal to others, and never 0.
Bytes some_bytes(Random& random, std::size_t n);

}  // namespace ashlar::check
