// truncate: the layer below with another size. What is behind its end reads as zeroes and is a hole.
#include <algorithm>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <cstring>
#include <limits>
#include <string>

using namespace ashlar;

namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();

// Throws BadParameter when it is no size for a disk, or cuts the layer below within a block.
std::uint64_t size_over(const Params& params, const Geometry& below) {
  std::uint64_t size = params.has("size") ? params.size("size") : below.size;
  const char* last = "size";
  if (params.has("round_up")) {
    last = "round_up";
    const std::uint64_t unit = params.size(last), missing = (unit - size % unit) % unit;
    if (missing > largest - size)
      throw BadParameter(last, "round_up = " + std::to_string(unit) + " makes " + std::to_string(size) +
                                   " bytes into more than any disk can have");
    size += missing;
  }
  if (params.has("round_down")) {
    last = "round_down";
    size -= size % params.size(last);
  }
  if (size < below.size && size % below.minimum != 0)
    throw BadParameter(last, "the size would be " + std::to_string(size) + ", which is not a multiple of the " +
                                 std::to_string(below.minimum) +
                                 " byte blocks of the layer below; put the filter align between the two");
  return size;
}

bool is_zero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

class Truncate final : public Filter {
 public:
  static constexpr const char* group = "the shape of the disk";
  struct Layer {
    explicit Layer(const Create& create) : params(create.params) {
      if (!params.has("size") && !params.has("round_up") && !params.has("round_down"))
        throw std::invalid_argument("it needs size, round_up or round_down: without any it changes nothing");
      if (params.has("round_up") && params.has("round_down"))
        throw BadParameter("round_down", "round_up and round_down exclude each other");
    }
    Params params;
  };
  static constexpr Param params[] = {
      Param::size("size", "of the disk, in bytes; without it, that of the layer below"),
      Param::size("round_up", "the size is made a multiple of this, by adding zeroes").range(1, largest),
      Param::size("round_down", "the size is made a multiple of this, by leaving bytes out").range(1, largest),
  };

  Truncate(Layer& layer, const Open& open)
      : Filter(open), size_(size_over(layer.params, below())), end_(std::min(size_, below().size)) {}

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);
    g.size = size_;
    g.parks = true;
    return g;
  }

  Status process(Io& io) noexcept override {
    // Extents may reach past the end of the request, and have to be cut at our own.
    const bool within = io.end() <= end_ && io.sink() == nullptr;
    return within || io.op() == Op::flush ? hand_on(io) : Filter::process(io);
  }
  Status read(Io& io) noexcept override;
  Status write(Io& io) noexcept override;
  Status trim(Io& io) noexcept override { return shortened(io); }
  Status zero(Io& io) noexcept override { return shortened(io); }
  Status cache(Io& io) noexcept override { return shortened(io); }
  Status extents(Io& io) noexcept override;

 private:
  // How much of the request lies within the layer below.
  std::uint64_t inside(const Io& io) const { return io.offset() < end_ ? std::min(io.end(), end_) - io.offset() : 0; }
  // The part of the request that lies within the layer below; the rest is as it is to be.
  Status shortened(Io& io) noexcept {
    const std::uint64_t length = io.length(), part = inside(io);
    if (part == 0) return Status::success();
    io.set_range(io.offset(), part);
    const Status s = next(io);
    io.set_range(io.offset(), length);
    return s;
  }
  // A request within the layer below, which may tell extents.
  Status handed_on(Io& io) noexcept {
    return cut_extents(io, end_ - io.offset(), [this](Io& one) { return next(one); });
  }

  const std::uint64_t size_;
  const std::uint64_t end_;  // of what is the layer below's
};

Status Truncate::read(Io& io) noexcept {
  const std::uint64_t part = inside(io);
  if (part == io.length()) return handed_on(io);
  if (part == 0 && io.has(Flag::may_hole)) {
    io.add_extent(io.length(), Extent::sparse);
    return Status::success();
  }
  if (io.has(Flag::lend_only)) return Status::would_block();
  if (part != 0)
    if (const Status s = next(Io::read(io, io.offset(), io.buffer().first(part), io.flags() & Flag::nowait));
        s.failed())
      return s;
  std::ranges::fill(io.buffer().subspan(part), std::byte{0});
  return Status::success();
}

// Nothing is written when there is no room for all of it.
Status Truncate::write(Io& io) noexcept {
  return is_zero(io.payload().subspan(inside(io))) ? shortened(io) : Status::no_space();
}

Status Truncate::extents(Io& io) noexcept {
  const std::uint64_t part = inside(io);
  if (part == io.length()) return handed_on(io);
  std::uint64_t told = 0;
  if (part != 0) {
    bool more = true;
    ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
      const std::uint64_t of_it = std::min(bytes, part - told);
      told += of_it;
      return more = of_it != 0 && io.add_extent(of_it, state);
    });
    Io below(io, Op::extents, io.offset(), part, io.flags());
    below.set_sink(&sink);
    if (const Status s = next(below); s.failed()) return s;
    if (!more || told != part || io.has(Flag::req_one)) return Status::success();
  }
  io.add_extent(io.length() - part, Extent::sparse);
  return Status::success();
}

ASHLAR_MODULE(Truncate, .name = "truncate", .version = "1.0", .summary = "the layer below with another size",
              .threads = Threads::parallel)
