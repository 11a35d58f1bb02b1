// fault: errors, delays, lies and power cuts, for tests of what stands above.
#include <algorithm>
#include <ashlar/connection.hpp>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <cinttypes>
#include <stdexcept>

#include "layer.hpp"

namespace ashlar::fault {
namespace {

constexpr std::uint64_t sector = 512;  // what a disk writes whole or not at all, if its blocks are not larger

}  // namespace

class Fault final : public Filter {
 public:
  static constexpr const char* group = "watching and testing";
  using Layer = fault::Layer;
  static constexpr auto& params = Layer::params;

  Fault(Layer& layer, const Open& open)
      : Filter(open), layer_(layer), disconnect_(open), read_only_(open.read_only || !below().ops.has(Op::write)) {
    if (layer.keeps && !read_only_ && !below().ops.has(Op::flush))
      throw BadParameter("volatile", "volatile: the layer below cannot flush");
  }

  Geometry describe() override {
    // What is to be answered otherwise than the layer below does is asked for without shortcuts; see concern().
    Geometry g = offer(layer_.keeps ? Flag::nowait : Flag::shortcuts);
    g.parks = true;
    if (!layer_.keeps) return g;
    g.flags = g.flags.without(Flag::fast);  // what is slow comes with the flush
    // Zeroes are told to be done before the layer below has heard of them.
    if (g.zero_may_fail) g.ops = g.ops.without(Op::zero);
    // What others have written is not flushed through here.
    if (read_only_) g.multi_conn = false;
    return g;
  }

  Status process(Io& io) noexcept override {
    if (!layer_.rules.concern(io)) return pass(io);
    // Tried again without, it may wait, and is counted once.
    if (io.has(Flag::nowait)) return Status::would_block();
    try {
      return faulty(io, layer_.rules.hits(io));
    } catch (const std::bad_alloc&) {
      return Status{ENOMEM};
    }
  }

 private:
  Status faulty(Io& io, const std::vector<Hit>& hits);
  Status hold_up(const std::vector<Hit>& hits);
  Status answer(Io& io, const std::vector<Hit>& hits);
  Status tear(const Io& io, Chance chance);
  Status read_flipped(Io& io, const std::vector<Hit>& hits);
  void note(const Io& io, const Hit& hit) const;

  // To the layer below, or to what is kept apart.
  Status pass(Io& io) noexcept;
  Status pass_kept(Io& io) noexcept;
  Status write_kept(Io& io) noexcept;
  Status write_through(Io& io, const Unflushed::Piece& piece);
  Status read_kept(Io& io) noexcept;
  Status trim_kept(Io& io) noexcept;
  Status extents_kept(Io& io) noexcept;
  Next to_next() {
    return [this](Io& one) { return next(one); };
  }

  Layer& layer_;
  const Disconnect disconnect_;
  const bool read_only_;
};

// ---- Rules ----

Status Fault::faulty(Io& io, const std::vector<Hit>& hits) {
  for (const Hit& hit : hits) note(io, hit);
  if (const Status s = hold_up(hits); s.failed()) return s;
  for (const Hit& hit : hits) {
    if (!hit.rule->what.drop) continue;
    layer_.counters.drops.add();
    if (disconnect_) disconnect_.disconnect();
    return Status::io_error();
  }
  return answer(io, hits);
}

// Delays add up, and come before what hangs.
Status Fault::hold_up(const std::vector<Hit>& hits) {
  std::chrono::nanoseconds delay{0};
  for (const Hit& hit : hits) {
    const RuleText& what = hit.rule->what;
    if (!what.delay) continue;
    Chance chance = hit.chance;
    const double time =
        static_cast<double>(what.delay->count()) + chance.normal() * static_cast<double>(what.deviation.count());
    delay += std::chrono::nanoseconds(static_cast<std::int64_t>(std::max(time, 0.0)));
    layer_.counters.delays.add();
  }
  if (delay.count() != 0) {
    layer_.wait.sleep_until(std::chrono::steady_clock::now() + delay);
    if (layer_.wait.cancelled()) return Status{ECANCELED};
  }
  for (const Hit& hit : hits) {
    if (!hit.rule->what.hang) continue;
    layer_.counters.hangs.add();
    if (const Status s = hit.rule->hang.enter(Gate::Mode::together); s.failed()) return s;
    hit.rule->hang.leave(Gate::Mode::together);
  }
  return Status::success();
}

// Of several rules that say how the request ends the first does.
Status Fault::answer(Io& io, const std::vector<Hit>& hits) {
  for (const Hit& hit : hits) {
    const RuleText& what = hit.rule->what;
    if (what.torn) {
      layer_.counters.torn.add();
      if (const Status s = tear(io, hit.chance); s.failed()) return s;
    }
    if (what.error) {
      layer_.counters.errors.add();
      return Status{*what.error};
    }
    if (what.lie) layer_.counters.lies.add();
    if (what.lie || what.torn) return Status::success();
  }
  return io.op() == Op::read ? read_flipped(io, hits) : pass(io);
}

// Writes whole blocks from its start on, at least one less than there are.
Status Fault::tear(const Io& io, Chance chance) {
  const std::uint64_t block = std::max<std::uint64_t>(sector, below().minimum);
  const std::uint64_t blocks = (io.length() + block - 1) / block;
  const std::uint64_t bytes = chance.below(blocks) * block;
  if (bytes == 0) return Status::success();
  Io part = Io::write(io, io.offset(), io.payload().first(bytes), io.flags());
  return pass(part);
}

Status Fault::read_flipped(Io& io, const std::vector<Hit>& hits) {
  const bool flips = std::any_of(hits.begin(), hits.end(), [](const Hit& hit) { return hit.rule->what.flip != 0; });
  if (!flips) return pass(io);
  Io whole = Io::read(io, io.offset(), io.buffer(), io.flags().without(Flag::lending | Flag::may_hole));
  if (const Status s = pass(whole); s.failed()) return s;
  for (const Hit& hit : hits) {
    const RuleText& what = hit.rule->what;
    if (what.flip == 0) continue;
    const std::uint64_t begin = std::max(what.begin, io.offset()), end = std::min(what.end, io.end());
    Chance chance = hit.chance;
    for (std::uint32_t n = 0; n != what.flip; ++n) {
      const std::uint64_t bit = chance.below((end - begin) * 8);
      io.buffer()[begin - io.offset() + bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    }
    layer_.counters.flips.add();
  }
  return Status::success();
}

void Fault::note(const Io& io, const Hit& hit) const {
  layer_.host.log(Level::debug, "rule %" PRIu64 " (%s) hits %s offset=%" PRIu64 " length=%" PRIu64 " id=%" PRIu64,
                  hit.rule->number, hit.rule->what.text.c_str(), name(io.op()), io.offset(), io.length(), io.id());
}

// ---- What is kept apart until it is flushed ----

Status Fault::pass(Io& io) noexcept {
  Gate& gate = layer_.gate;
  if (!io.has(Flag::nowait)) {
    if (const Status s = gate.enter(Gate::Mode::together); s.failed()) return s;
  } else if (!gate.try_enter(Gate::Mode::together)) {
    return Status::would_block();
  }
  const Status s = layer_.keeps ? pass_kept(io) : next(io);
  gate.leave(Gate::Mode::together);
  return s;
}

Status Fault::pass_kept(Io& io) noexcept {
  switch (io.op()) {
    case Op::read: return read_kept(io);
    case Op::write:
    case Op::zero: return write_kept(io);
    case Op::flush:
      if (read_only_) return next(io);
      return io.has(Flag::nowait) ? Status::would_block() : layer_.flush_all(io, below(), to_next());
    case Op::trim: return trim_kept(io);
    case Op::extents: return extents_kept(io);
    case Op::cache: return next(io);
  }
  return Status::not_supported();
}

Status Fault::write_kept(Io& io) noexcept {
  const bool full = layer_.unflushed.memory() + io.length() > layer_.most_kept;
  if (io.has(Flag::nowait) && (full || io.has(Flag::fua))) return Status::would_block();
  if (full)
    if (const Status s = layer_.write_back(io, below(), to_next()); s.failed()) return s;
  try {
    const auto piece = io.op() == Op::write ? Unflushed::piece_of(io.payload())
                                            : Unflushed::zeroes(io.length(), io.has(Flag::may_trim));
    if (io.has(Flag::fua)) return write_through(io, piece);
    layer_.unflushed.put(io.offset(), piece);
    return Status::success();
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
}

// When it fails, it is kept for the next flush.
Status Fault::write_through(Io& io, const Unflushed::Piece& piece) {
  Unflushed::Batch batch(layer_.unflushed, io.offset(), piece);
  const Status s = next(io);
  if (s.ok()) batch.written(batch.pieces().front());
  return s;
}

// Advice: what is kept here, or is on its way below, stays.
Status Fault::trim_kept(Io& io) noexcept {
  return layer_.unflushed.has_some(io.offset(), io.length()) ? Status::success() : next(io);
}

// What goes below while the layer below is read may be missed in both places: then it is read again.
Status Fault::read_kept(Io& io) noexcept {
  for (;;) {
    const Unflushed::Patched before = layer_.unflushed.patch(io.offset(), io.buffer());
    if (before.all) return Status::success();
    if (const Status s = next(io); s.failed()) return s;
    const Unflushed::Patched behind = layer_.unflushed.patch(io.offset(), io.buffer());
    if (behind.all || behind.generation == before.generation) return Status::success();
  }
}

// Tells as far as one piece, or what is between two, reaches; who asked asks on.
Status Fault::extents_kept(Io& io) noexcept {
  const Unflushed::Found found = layer_.unflushed.find(io.offset(), io.length());
  if (found.state) {
    io.add_extent(found.length, *found.state);
    return Status::success();
  }
  std::uint64_t left = found.length;
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    const std::uint64_t told = std::min(bytes, left);
    left -= told;
    return io.add_extent(told, state) && left != 0;
  });
  Io inner(io, Op::extents, io.offset(), found.length, io.flags());
  inner.set_sink(&sink);
  return next(inner);
}

}  // namespace ashlar::fault

using ashlar::Threads;
using ashlar::fault::Fault;
ASHLAR_MODULE(Fault, .name = "fault", .version = "1.0", .summary = "errors, delays, lies and power cuts, for tests",
              .threads = Threads::parallel)
