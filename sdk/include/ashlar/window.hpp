// Window: for filters that show a part of the layer below as a disk of its own.
#pragma once
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>

namespace ashlar {

// Every request is moved to where the window lies. The bytes are the same, so they are lent and told of as holes as
// they are below.
class Window : public Filter {
 public:
  using Filter::Filter;

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);
    g.size = size_;
    return g;
  }

  Status process(Io& io) noexcept override {
    if (io.op() == Op::flush) return hand_on(io);
    if (io.sink() == nullptr) return moved(io);
    return cut_extents(io, size_ - io.offset(), [this](Io& one) { return moved(one); });
  }

 protected:
  // Before the first request. The window lies within the layer below, and starts and ends on its blocks, or ends where
  // it ends.
  void place(std::uint64_t offset, std::uint64_t size) {
    offset_ = offset;
    size_ = size;
  }

 private:
  Status moved(Io& io) noexcept {
    const std::uint64_t offset = io.offset();
    io.set_offset(offset + offset_);
    const Status s = next(io);
    io.set_offset(offset);
    return s;
  }

  std::uint64_t offset_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace ashlar
