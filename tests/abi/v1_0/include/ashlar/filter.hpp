// Filter: a device that stands on another. Override the ops it changes; the others go on to the layer below.
// See examples/02_filter.
#pragma once
#include <ashlar/device.hpp>
#include <ashlar/module.hpp>

namespace ashlar {

class Filter : public Device {
 public:
  static constexpr std::uint32_t kind = ASHLAR_FILTER;

  explicit Filter(const Open& open)
      : next_(*open.next), next_self_(next_.self), next_process_(next_.process), below_(from_abi(*open.below)) {}

  // What the layer below offers, cut to what this revision of the SDK knows, so that no later op or flag slips past a
  // filter that has never heard of it. A filter that changes sizes or adds ops overrides this and starts from offer().
  Geometry describe() override { return offer(); }

  Status read(Io& io) noexcept override { return hand_on(io); }
  Status write(Io& io) noexcept override { return hand_on(io); }
  Status flush(Io& io) noexcept override { return hand_on(io); }
  Status trim(Io& io) noexcept override { return hand_on(io); }
  Status zero(Io& io) noexcept override { return hand_on(io); }
  Status cache(Io& io) noexcept override { return hand_on(io); }
  Status extents(Io& io) noexcept override { return hand_on(io); }

 protected:
  // What the layer below offers and a filter can pass on. `shortcuts`: those of Flag::shortcuts that this filter
  // understands: nowait when it may be called twice for one request, may_lend and may_lend_cold when it does not look
  // at the bytes of a read, may_hole when it changes neither bytes nor extents of a read, lend_only when it answers
  // would_block, or passes on, a read that brings no buffer().
  Geometry offer(Flags shortcuts = Flag::none) const {
    Geometry g = below_;
    g.ops &= Ops::known();
    g.flags &= Flag::promises | (shortcuts & Flag::shortcuts);
    g.parks = false;  // of the layer below that is known, of this one it has to be said
    return g;
  }
  const Geometry& below() const { return below_; }

  // Hands a request to the layer below and returns when it is done. A promise that the layer below cannot keep (fua,
  // fast) and an op that it does not offer answer not_supported. Shortcuts that it does not offer are left out of the
  // call; without lend_only, for which there is no data, would_block is the answer.
  [[gnu::noinline]] Status next(Io& io) noexcept {
    if (!below_.ops.has(Ops{io.op()})) return Status::not_supported();
    const Flags asked = io.flags(), told = asked & below_.flags;
    if (!told.has(asked & Flag::to_keep)) return Status::not_supported();
    if (asked.has(Flag::lend_only) && !told.has(Flag::lend_only)) return Status::would_block();
    io.set_flags(told);
    const Status s{next_process_(next_self_, &io)};
    io.set_flags(asked);
    return s;
  }
  Status next(Io&& io) noexcept { return next(io); }

  // As next(), for a filter that has nothing to do behind it: the compiler makes the call of the layer below a jump.
  Status hand_on(Io& io) noexcept {
    if (!below_.ops.has(Ops{io.op()}) || !below_.flags.has(io.flags())) return next(io);
    return Status{next_process_(next_self_, &io)};
  }

  // An optional ability of the layer below, or nullptr; see ashlar_device. [any]
  const void* next_extension(const char* id) const noexcept {
    return next_.extension != nullptr ? next_.extension(next_.self, id) : nullptr;
  }

 private:
  const ashlar_device& next_;
  // Copies of its members: they are on the way of every request.
  void* const next_self_;
  std::int32_t (*const next_process_)(void*, ashlar_io*) noexcept;
  const Geometry below_;
};

}  // namespace ashlar
