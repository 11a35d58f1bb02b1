// align: requests on any byte over a layer that wants whole blocks.
#include <ashlar/durable.hpp>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <ashlar/range_lock.hpp>
#include <bit>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>

#include "block_extents.hpp"
#include "bounce.hpp"

using namespace ashlar;

namespace {

constexpr const char* policies[] = {"rmw", "error", nullptr};

// Throws BadParameter when blocks of `block` bytes cannot stand on the layer below.
void check_block(std::uint64_t block, const Geometry& below) {
  const std::string ours = "block_size = " + std::to_string(block);
  if (below.minimum > block)
    throw BadParameter("block_size",
                       ours + " is less than the " + std::to_string(below.minimum) + " byte blocks of the layer below");
  if (below.maximum != 0 && below.maximum < block)
    throw BadParameter("block_size", ours + " is more than the " + std::to_string(below.maximum) +
                                         " bytes that the layer below takes in one request");
}

}  // namespace

class Align final : public Filter {
 public:
  static constexpr const char* group = "the shape of the disk";
  struct Layer {
    explicit Layer(const Create& create)
        : block(static_cast<std::uint32_t>(create.params.size("block_size"))),
          rmw(create.params.choice("policy") == "rmw"),
          lock(Wait(create.host)) {
      if (!std::has_single_bit(block))
        throw BadParameter("block_size", "block_size = " + std::to_string(block) + " is not a power of two");
    }
    const std::uint32_t block;
    const bool rmw;
    RangeLock lock;  // of the export, not of a connection: a write may race one from another connection
  };
  static constexpr Param params[] = {
      Param::size("block_size", "bytes, a power of two: requests below start and end on it")
          .range(512, 65536)
          .or_else("4K"),
      Param::choice("policy", policies, "unaligned requests: rmw reads, modifies and writes; error refuses")
          .or_else("rmw"),
  };

  Align(Layer& layer, const Open& open) : Filter(open), layer_(layer), blocks_{layer.block, below().size} {
    check_block(layer.block, below());
  }

  Geometry describe() override;
  Status process(Io& io) noexcept override;
  Status read(Io& io) noexcept override;
  Status write(Io& io) noexcept override;
  Status trim(Io& io) noexcept override;
  Status zero(Io& io) noexcept override;
  Status cache(Io& io) noexcept override;
  Status extents(Io& io) noexcept override;

 private:
  static Range range(const Io& io) { return {io.offset(), io.end()}; }
  Status aligned(Io& io) noexcept;
  Status read_part(const Io& io, Range part, std::span<std::byte> into, Flags flags, Bounce& bounce) noexcept;
  Status patch(const Io& io, Range part, const std::byte* from, Flags flags, Bounce& bounce) noexcept;
  Status write_parts(const Io& io, const Blocks::Parts& parts, Flags flags) noexcept;
  Status zero_parts(const Io& io, const Blocks::Parts& parts, Flags flags) noexcept;
  Status extents_below(const Io& io, std::uint64_t at, std::uint64_t end, BlockExtents& blocks) noexcept;
  Status barrier(const Io& io, const Durable& durable) noexcept {
    return durable.flush_after ? next(Io(io, Op::flush, 0, 0)) : Status::success();
  }

  Layer& layer_;
  const Blocks blocks_;
};

Geometry Align::describe() {
  // A read that may answer with holes or lend is passed on only when it is aligned already. Its holes may be finer than
  // our blocks; that is right only where we have none.
  const bool holes = layer_.rmw || below().minimum == layer_.block;
  const Flags lending = Flag::may_lend | Flag::may_lend_cold | Flag::lend_only;
  Geometry g = offer(Flag::nowait | lending | (holes ? Flag::may_hole : Flag::none));
  g.minimum = layer_.rmw ? 1 : layer_.block;
  g.preferred = std::max(layer_.block, g.preferred);
  g.parks = true;
  if (!layer_.rmw) return g;
  // The edges of a write are read first, and those of a zero are written.
  if (!g.ops.has(Op::read)) g.ops = g.ops.without(Op::write);
  if (!g.ops.has(Op::write)) g.ops = g.ops.without(Op::zero);
  return g;
}

Status Align::process(Io& io) noexcept {
  if (io.op() == Op::flush) return hand_on(io);
  if (blocks_.aligned(range(io))) return aligned(io);
  return layer_.rmw ? Filter::process(io) : Status::invalid();
}

// What changes bytes waits for a read-modify-write of the same blocks, and is waited for. Reads need not.
Status Align::aligned(Io& io) noexcept {
  if (io.op() == Op::extents) return extents(io);
  if (!layer_.rmw || !Ops::writing().has(io.op())) return hand_on(io);
  if (!io.has(Flag::nowait)) {
    const RangeLock::Hold hold(layer_.lock, io.offset(), io.end(), RangeLock::Mode::shared);
    return hold.held() ? next(io) : Status{ENOMEM};
  }
  const RangeLock::Hold hold(layer_.lock, io.offset(), io.end(), RangeLock::Mode::shared, std::try_to_lock);
  return hold.held() ? next(io) : Status::would_block();
}

Status Align::read(Io& io) noexcept {
  if (io.has(Flag::lend_only)) return Status::would_block();
  const Blocks::Parts parts = blocks_.split(range(io));
  const Flags flags = io.flags() & Flag::nowait;
  Bounce bounce(blocks_.block);
  for (const Range part : {parts.head, parts.middle, parts.tail}) {
    if (part.empty()) continue;
    const Status s = read_part(io, part, io.buffer().subspan(part.begin - io.offset(), part.length()), flags, bounce);
    if (s.failed()) return s;
  }
  return Status::success();
}

// Reads `part`, which is of whole blocks, or lies within one.
Status Align::read_part(const Io& io, Range part, std::span<std::byte> into, Flags flags, Bounce& bounce) noexcept {
  if (blocks_.aligned(part)) return next(Io::read(io, part.begin, into, flags));
  if (!bounce.ready()) return Status{ENOMEM};
  const Range whole = blocks_.outer(part);
  const Status s = next(Io::read(io, whole.begin, bounce.first(whole.length()), flags));
  if (s.ok()) std::memcpy(into.data(), bounce.data() + (part.begin - whole.begin), part.length());
  return s;
}

// Several calls: the second could block when the first is done, so nowait ends here.
Status Align::write(Io& io) noexcept {
  if (io.has(Flag::nowait)) return Status::would_block();
  const Blocks::Parts parts = blocks_.split(range(io));
  const Durable durable(io.has(Flag::fua), below(), parts.count() == 1);
  const Status s = write_parts(io, parts, durable.on_each);
  return s.ok() ? barrier(io, durable) : s;
}

Status Align::write_parts(const Io& io, const Blocks::Parts& parts, Flags flags) noexcept {
  const Range touched = blocks_.outer(range(io));
  const RangeLock::Hold hold(layer_.lock, touched.begin, touched.end, RangeLock::Mode::exclusive);
  if (!hold.held()) return Status{ENOMEM};
  Bounce bounce(blocks_.block);
  for (const Range part : {parts.head, parts.middle, parts.tail}) {
    if (part.empty()) continue;
    const std::span<const std::byte> bytes = io.payload().subspan(part.begin - io.offset(), part.length());
    const Status s = blocks_.aligned(part) ? next(Io::write(io, part.begin, bytes, flags))
                                           : patch(io, part, bytes.data(), flags, bounce);
    if (s.failed()) return s;
  }
  return Status::success();
}

// Puts the bytes at `from`, or zeroes if it is null, into the block around `part`. The caller holds the block.
Status Align::patch(const Io& io, Range part, const std::byte* from, Flags flags, Bounce& bounce) noexcept {
  if (!bounce.ready()) return Status{ENOMEM};
  const Range whole = blocks_.outer(part);
  const std::span<std::byte> block = bounce.first(whole.length());
  const Status s = next(Io::read(io, whole.begin, block));
  if (s.failed()) return s;
  std::byte* at = block.data() + (part.begin - whole.begin);
  if (from != nullptr) std::memcpy(at, from, part.length());
  else std::memset(at, 0, part.length());
  return next(Io::write(io, whole.begin, block, flags));
}

// Advice: what is not whole blocks stays.
Status Align::trim(Io& io) noexcept {
  const Range middle = blocks_.split(range(io)).middle;
  if (middle.empty()) return Status::success();
  Io inner(io, Op::trim, middle.begin, middle.length(), io.flags());
  return aligned(inner);
}

Status Align::zero(Io& io) noexcept {
  if (io.has(Flag::fast)) return Status::not_supported();  // the edges would be read and written
  if (io.has(Flag::nowait)) return Status::would_block();
  const Blocks::Parts parts = blocks_.split(range(io));
  const Durable durable(io.has(Flag::fua), below(), parts.count() == 1);
  const Status s = zero_parts(io, parts, durable.on_each);
  return s.ok() ? barrier(io, durable) : s;
}

// The middle first: it alone may be refused as not supported, and then nothing has changed.
Status Align::zero_parts(const Io& io, const Blocks::Parts& parts, Flags flags) noexcept {
  const Range touched = blocks_.outer(range(io));
  const RangeLock::Hold hold(layer_.lock, touched.begin, touched.end, RangeLock::Mode::exclusive);
  if (!hold.held()) return Status{ENOMEM};
  if (!parts.middle.empty()) {
    const Flags keep = (io.flags() & Flag::may_trim) | flags;
    const Status s = next(Io(io, Op::zero, parts.middle.begin, parts.middle.length(), keep));
    if (s.failed()) return s;
  }
  Bounce bounce(blocks_.block);
  for (const Range edge : {parts.head, parts.tail}) {
    if (edge.empty()) continue;
    const Status s = patch(io, edge, nullptr, flags, bounce);
    if (s.failed()) return s;
  }
  return Status::success();
}

Status Align::cache(Io& io) noexcept {
  const Range whole = blocks_.outer(range(io));
  return next(Io(io, Op::cache, whole.begin, whole.length(), io.flags()));
}

// Asks the layer below for the extents from `at`, which is where `blocks` goes on, to `end`.
Status Align::extents_below(const Io& io, std::uint64_t at, std::uint64_t end, BlockExtents& blocks) noexcept {
  const std::uint64_t begin = at / below().minimum * below().minimum;
  std::uint64_t known = at - begin;  // bytes that it was asked for only because its blocks are so large
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    const std::uint64_t skipped = std::min(bytes, known);
    known -= skipped;
    return bytes == skipped || blocks.add(bytes - skipped, state);
  });
  Io wide(io, Op::extents, begin, end - begin, io.flags().without(Flag::req_one));
  wide.set_sink(&sink);
  return next(wide);
}

Status Align::extents(Io& io) noexcept {
  const Range whole = blocks_.outer(range(io));
  if (below().minimum == layer_.block && whole == range(io)) return next(io);
  // The first extent below may be less than a block, so "only the first" is kept here and not passed on.
  BlockExtents blocks(blocks_, io.offset(), *io.sink(), io.has(Flag::req_one));
  Status s = extents_below(io, whole.begin, whole.end, blocks);
  // The layer below may stop early, even within the first block: then it is asked on from there.
  for (std::uint64_t last = whole.begin;
       s.ok() && !blocks.answered() && blocks.at() > last && blocks.at() < whole.end;) {
    last = blocks.at();
    s = extents_below(io, last, whole.end, blocks);
  }
  if (s.ok()) blocks.finish();
  return s;
}

ASHLAR_MODULE(Align, .name = "align", .version = "1.0",
              .summary = "requests on any byte over a layer that wants whole blocks", .threads = Threads::parallel)
