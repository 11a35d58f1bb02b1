// RandomModel: random requests to a device, each answer compared with a plain copy of the contents.
#pragma once
#include <algorithm>
#include <ashlar/geometry.hpp>
#include <ashlar/io.hpp>
#include <ashlar/testing/extent_list.hpp>
#include <cstdlib>
#include <functional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace ashlar::testing {

// [one thread]
class RandomModel {
 public:
  using Ask = std::function<Status(Io&)>;

  // `contents`: what the device holds now.
  RandomModel(Ask ask, const Geometry& geometry, std::vector<std::byte> contents, std::uint64_t seed = 1)
      : ask_(std::move(ask)), geometry_(geometry), contents_(std::move(contents)), random_(seed) {
    if (contents_.size() != geometry_.size) throw std::invalid_argument("the model has another size than the device");
  }

  // Of a run: $ASHLAR_MODEL_OPERATIONS, or a few thousand.
  static std::size_t operations() {
    const char* given = std::getenv("ASHLAR_MODEL_OPERATIONS");
    return given != nullptr ? std::strtoul(given, nullptr, 10) : 3000;
  }
  // Of requests, in bytes.
  void set_longest(std::uint64_t bytes) { longest_ = bytes; }
  // Called with what is to be written, which it may change: where the device takes only some bytes.
  void on_payload(std::function<void(std::uint64_t offset, std::span<std::byte>)> f) { on_payload_ = std::move(f); }
  const std::vector<std::byte>& contents() const { return contents_; }

  // Sends `n` requests. Throws std::runtime_error when one fails, or an answer differs.
  void run(std::size_t n) {
    for (; n != 0; --n) step();
    compare(0, geometry_.size);
  }

 private:
  void step() {
    const Op op = static_cast<Op>(random_() % 7);
    if (!geometry_.ops.has(Ops{op}) || geometry_.size == 0) return;
    if (op == Op::flush && random_() % 64 != 0) return;  // a disk may be slow in it
    if (op == Op::flush) return ask(Io(Op::flush, 0, 0));
    const auto [offset, length] = range();
    const Flags fua = geometry_.flags.has(Flag::fua) && random_() % 64 == 0 ? Flag::fua : Flag::none;
    switch (op) {
      case Op::read: return compare(offset, length);
      case Op::write: return write(offset, length, fua);
      case Op::zero: return zero(offset, length, fua);
      case Op::trim: return trim(offset, length, fua);
      case Op::extents: return extents(offset, length);
      default: return ask(Io(op, offset, length));
    }
  }

  std::pair<std::uint64_t, std::uint64_t> range() {
    const std::uint64_t block = geometry_.minimum;
    const std::uint64_t offset = random_() % geometry_.size / block * block;
    std::uint64_t end = offset + 1 + random_() % (random_() % 4 == 0 ? longest_ : longest_ / 16);
    end = std::min((end + block - 1) / block * block, geometry_.size);
    return {offset, end - offset};
  }
  std::span<std::byte> model(std::uint64_t offset, std::uint64_t length) {
    return std::span(contents_).subspan(offset, length);
  }

  void ask(Io io) {
    if (const Status s = ask_(io); s.failed()) fail(io, "answered " + std::to_string(s.code()));
  }
  [[noreturn]] static void fail(const Io& io, const std::string& how) {
    throw std::runtime_error(std::string(name(io.op())) + " " + std::to_string(io.length()) + "@" +
                             std::to_string(io.offset()) + ": " + how);
  }
  void compare(std::uint64_t offset, std::uint64_t length) {
    if (length == 0) return;
    std::vector<std::byte> into(length, std::byte{0xee});
    const Io io = Io::read(offset, into);
    ask(io);
    for (std::uint64_t i = 0; i != length; ++i)
      if (into[i] != contents_[offset + i]) fail(io, "differs at " + std::to_string(offset + i));
  }
  void write(std::uint64_t offset, std::uint64_t length, Flags flags) {
    std::vector<std::byte> bytes(length);
    const std::uint64_t first = random_();
    for (std::uint64_t i = 0; i != length; ++i) bytes[i] = static_cast<std::byte>((first + i * 7) % 256);
    if (on_payload_) on_payload_(offset, bytes);
    ask(Io::write(offset, bytes, flags));
    std::copy(bytes.begin(), bytes.end(), model(offset, length).begin());
  }
  void zero(std::uint64_t offset, std::uint64_t length, Flags flags) {
    if (geometry_.flags.has(Flag::may_trim) && random_() % 2 == 0) flags |= Flag::may_trim;
    Io io(Op::zero, offset, length, flags);
    const Status s = ask_(io);
    if (s == Status::not_supported() && geometry_.zero_may_fail) return;
    if (s.failed()) fail(io, "answered " + std::to_string(s.code()));
    std::ranges::fill(model(offset, length), std::byte{0});
  }
  // What was trimmed may read as anything from then on.
  void trim(std::uint64_t offset, std::uint64_t length, Flags flags) {
    ask(Io(Op::trim, offset, length, flags));
    ask(Io::read(offset, model(offset, length)));
  }
  void extents(std::uint64_t offset, std::uint64_t length) {
    ExtentList list;
    Io io(Op::extents, offset, length);
    io.set_sink(&list);
    ask(io);
    if (list.total() == 0 || list.had_empty()) fail(io, "told nothing, or an extent without length");
    std::uint64_t at = offset;
    for (const ListedExtent& extent : list.extents()) {
      const std::uint64_t end = at + extent.length;
      if (end > geometry_.size) fail(io, "reaches past the end");
      for (; at != end; ++at)
        if (extent.state.has(Extent::zero) && contents_[at] != std::byte{0})
          fail(io, "is told as zeroes at " + std::to_string(at));
    }
  }

  const Ask ask_;
  const Geometry geometry_;
  std::vector<std::byte> contents_;
  std::mt19937_64 random_;
  std::uint64_t longest_ = 64 << 10;
  std::function<void(std::uint64_t, std::span<std::byte>)> on_payload_;
};

}  // namespace ashlar::testing
