// Io: one request on its way through the layers. A view of ashlar_io; nothing is copied between layers.
#pragma once
#include <ashlar/ops.hpp>
#include <ashlar/status.hpp>

#include <cstddef>
#include <span>

namespace ashlar {

class Io : public ashlar_io {
 public:
  // Of no client's request.
  Io(Op o, std::uint64_t at, std::uint64_t bytes, Flags f = Flag::none)
      : ashlar_io{
            sizeof(ashlar_io), static_cast<std::uint32_t>(o), f.bits(), at, bytes, nullptr, nullptr, -1, 0, 0, 0, 0} {}
  // What a filter makes of `parent` to hand on: of the same client's request.
  Io(const Io& parent, Op o, std::uint64_t at, std::uint64_t bytes, Flags f = Flag::none) : Io(o, at, bytes, f) {
    ashlar_io::id = parent.id();
    ashlar_io::arrived = parent.arrived();
  }

  static Io read(std::uint64_t offset, std::span<std::byte> into, Flags f = Flag::none) {
    Io io(Op::read, offset, into.size(), f);
    io.ashlar_io::data = into.data();
    return io;
  }
  static Io read(const Io& parent, std::uint64_t offset, std::span<std::byte> into, Flags f = Flag::none) {
    return read(offset, into, f).made_of(parent);
  }
  // Without bytes to fill: to be lent, told of as zeroes with Flag::may_hole in `f` and a sink, or left alone.
  static Io lend_only(std::uint64_t offset, std::uint64_t bytes, Flags f = Flag::none) {
    return Io(Op::read, offset, bytes, f | Flag::nowait | Flag::may_lend | Flag::lend_only);
  }
  // The layers below only read from `from`.
  static Io write(std::uint64_t offset, std::span<const std::byte> from, Flags f = Flag::none) {
    Io io(Op::write, offset, from.size(), f);
    io.ashlar_io::data = const_cast<std::byte*>(from.data());
    return io;
  }
  static Io write(const Io& parent, std::uint64_t offset, std::span<const std::byte> from, Flags f = Flag::none) {
    return write(offset, from, f).made_of(parent);
  }

  Op op() const { return static_cast<Op>(ashlar_io::op); }
  std::uint64_t offset() const { return ashlar_io::offset; }
  std::uint64_t length() const { return ashlar_io::length; }
  std::uint64_t end() const { return ashlar_io::offset + ashlar_io::length; }
  Flags flags() const { return Flags{ashlar_io::flags}; }
  bool has(Flags f) const { return flags().has(f); }
  // The client's request that this one is, or is made of: the same for a NOWAIT try and its repetition. 0: of none.
  std::uint64_t id() const { return ashlar_io::id; }
  // When that request had come in; nanoseconds of CLOCK_MONOTONIC. 0: not known.
  std::uint64_t arrived() const { return ashlar_io::arrived; }
  void set_offset(std::uint64_t offset) { ashlar_io::offset = offset; }
  void set_range(std::uint64_t offset, std::uint64_t bytes) {
    ashlar_io::offset = offset;
    ashlar_io::length = bytes;
  }
  void set_flags(Flags f) { ashlar_io::flags = f.bits(); }

  // read: the bytes to fill. With Flag::lend_only there are none: not to be called.
  std::span<std::byte> buffer() const { return {static_cast<std::byte*>(ashlar_io::data), ashlar_io::length}; }
  // write: the bytes to take; a layer must not change them.
  std::span<const std::byte> payload() const {
    return {static_cast<const std::byte*>(ashlar_io::data), ashlar_io::length};
  }

  // read with Flag::may_lend: answers "these bytes are in `fd` at `offset`" instead of filling buffer().
  void lend(int fd, std::uint64_t offset) {
    lent_fd = fd;
    lent_offset = offset;
  }
  // Likewise with Flag::may_lend_cold, when reading them blocks.
  void lend_cold(int fd, std::uint64_t offset) {
    lend(fd, offset);
    lent_cold = 1;
  }
  bool lent() const { return lent_fd != -1; }

  // extents, and read with Flag::may_hole: who receives them; see extents.hpp.
  const ashlar_extent_sink* sink() const { return ashlar_io::extents; }
  void set_sink(const ashlar_extent_sink* sink) { ashlar_io::extents = sink; }

  // extents, and read with Flag::may_hole: adds the next extent. Returns false when no more is wanted.
  bool add_extent(std::uint64_t bytes, ExtentState state) {
    return ashlar_io::extents->add(ashlar_io::extents->self, bytes, static_cast<std::uint32_t>(state.bits())) == 0;
  }

 private:
  Io made_of(const Io& parent) const {
    Io io = *this;
    io.ashlar_io::id = parent.id();
    io.ashlar_io::arrived = parent.arrived();
    return io;
  }
};
static_assert(sizeof(Io) == sizeof(ashlar_io), "an Io is an ashlar_io seen through methods");

}  // namespace ashlar
