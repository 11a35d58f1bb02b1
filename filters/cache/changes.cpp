// Contents: write, zero and trim.
#include <bit>

#include "contents.hpp"

namespace ashlar::caching {

namespace {

constexpr std::uint64_t step = 1 << 20;  // of a write that is kept, before others may come

}  // namespace

// Sends `change` below while nobody else changes or loads `range`, which is of units, and nothing of it is dirty: so
// what is written back later can never undo it.
template <class Change>
Status Contents::change_below(const Io& io, const Below& below, Range range, Change change) noexcept {
  for (;;) {
    {
      const RangeLock::Hold alone(changing_, range.begin, range.end, RangeLock::Mode::exclusive);
      if (!alone.held()) return Status{ENOMEM};
      if (!is_dirty(range)) return change();
    }
    if (const Status s = write_back(io, below, range); s.failed()) return s;
  }
}

Status Contents::write(Io& io, const Below& below) noexcept {
  if (io.has(Flag::nowait)) return settings_.back ? keep_at_once(io, below) : Status::would_block();
  const Range all{io.offset(), io.end()};
  // Kept first, it might be written back by another connection before it is here, and not be durable.
  if (!settings_.back || io.has(Flag::fua) || !may_be_dirty(all)) return through(io, below, all);
  for (std::uint64_t at = all.begin; at != all.end;) {
    const Range part{at, std::min((at / step + 1) * step, all.end)};
    if (const Status s = write_within(io, below, part); s.failed()) return s;
    at = part.end;
  }
  return Status::success();
}

Status Contents::write_within(const Io& io, const Below& below, Range part) noexcept {
  Room room(*this);
  if (make_room(io, below, part, room).ok()) {
    const Range units = units_around(part);
    const RangeLock::Hold alone(changing_, units.begin, units.end, RangeLock::Mode::exclusive);
    if (!alone.held()) return Status{ENOMEM};
    for (;;) {
      const Range one{part.begin, std::min(block_end(part.begin), part.end)};
      const Status s = keep(io, below, one);
      if (s == Status::would_block()) break;
      if (s.failed()) return s;
      part.begin = one.end;
      if (part.empty()) return Status::success();
    }
  }
  return through(io, below, part);
}

// Within a block. "Would block": it cannot be kept. The caller holds its units.
Status Contents::keep(const Io& io, const Below& below, Range part) noexcept {
  const std::uint64_t number = part.begin / settings_.block;
  const Mask units = units_of(part);
  Mask edges = 0;
  Pin pin;
  {
    const std::lock_guard lock(mutex_);
    Slot slot = blocks_->find(number);
    if (slot == Blocks::none) slot = blocks_->insert(number);
    if (slot == Blocks::none) return Status::would_block();
    edges = units & ~whole_units_of(part) & ~(*blocks_)[slot].valid;
    pin = Pin(*this, slot);
  }
  if (edges != 0)
    if (const Status s = fill_edges(io, below, pin, part, edges); s.failed()) return s;
  if (store_->write(io, pin.slot(), part.begin % settings_.block, payload(io, part)).failed())
    return Status::would_block();
  const std::lock_guard lock(mutex_);
  (*blocks_)[pin.slot()].valid |= units;
  blocks_->set_dirty(pin.slot(), units);
  count_dirty();
  return Status::success();
}

// Units of which the write has only a part are read first.
Status Contents::fill_edges(const Io& io, const Below& below, const Pin& pin, Range part, Mask edges) noexcept {
  const std::uint64_t begin = part.begin / settings_.block * settings_.block;
  const Buffers::Lease lease(buffers_, below.user, unit_, !io.has(Flag::nowait));
  if (lease.failed()) return io.has(Flag::nowait) ? Status::would_block() : Status{ENOMEM};
  while (edges != 0) {
    const Range edge = first_run(edges & ~(edges - 1), begin);
    const auto bytes = lease.bytes().first(edge.length());
    if (const Status s = below.read(io, edge.begin, bytes); s.failed()) return s;
    if (store_->write(io, pin.slot(), edge.begin - begin, bytes).failed()) return Status::would_block();
    edges &= edges - 1;
    const std::lock_guard lock(mutex_);
    (*blocks_)[pin.slot()].valid |= units_of(edge);
  }
  return Status::success();
}

// What can be kept without waiting for anything.
Status Contents::keep_at_once(const Io& io, const Below& below) noexcept {
  const Range part{io.offset(), io.end()};
  Room room(*this);
  if (io.has(Flag::fua) || !settings_.folder.empty() || part.end > block_end(part.begin) || !claim(part, room))
    return Status::would_block();
  const Range units = units_around(part);
  const RangeLock::Hold alone(changing_, units.begin, units.end, RangeLock::Mode::exclusive, std::try_to_lock);
  if (!alone.held() || (units != part && !is_here(units))) return Status::would_block();
  const auto never = [](void*, Io&) noexcept { return Status::would_block(); };
  static constexpr Geometry none{};
  return keep(io, Below{nullptr, never, none, below.user}, part);
}

Status Contents::through(const Io& io, const Below& below, Range part) noexcept {
  const Range units = units_around(part);
  return change_below(io, below, units, [&] {
    const Status s = below.write(io, part.begin, payload(io, part), (io.flags() & Flag::fua) | durability(below));
    if (s.ok()) update(io, part);
    else forget(units);  // who knows how much of it was written
    return s;
  });
}

// Keeps of what has been written below what makes whole units, or units that are here.
void Contents::update(const Io& io, Range part) noexcept {
  for (std::uint64_t at = part.begin; at != part.end;) {
    const Range one{at, std::min(block_end(at), part.end)};
    at = one.end;
    const std::uint64_t number = one.begin / settings_.block, begin = number * settings_.block;
    Mask units = whole_units_of(one);
    Pin pin;
    {
      const std::lock_guard lock(mutex_);
      Slot slot = blocks_->find(number);
      if (slot == Blocks::none && units != 0) slot = blocks_->insert(number);
      if (slot == Blocks::none) continue;
      units |= units_of(one) & (*blocks_)[slot].valid;
      pin = Pin(*this, slot);
    }
    if (units == 0) continue;
    // Only at the ends there are units that are not here.
    const auto first = static_cast<std::uint64_t>(std::countr_zero(units));
    const auto last = static_cast<std::uint64_t>(std::bit_width(units));
    const Range kept = intersection(one, {begin + first * unit_, begin + last * unit_});
    const bool ok = store_->write(io, pin.slot(), kept.begin - begin, payload(io, kept)).ok();
    const std::lock_guard lock(mutex_);
    auto& valid = (*blocks_)[pin.slot()].valid;
    // A unit that was written in a part only may have been dropped meanwhile.
    valid = ok ? valid | (units & whole_units_of(one)) : valid & ~units;
  }
}

// Nothing of it is dirty.
void Contents::forget(Range units) noexcept {
  const std::uint64_t first = units.begin / settings_.block, last = (units.end - 1) / settings_.block;
  const auto forget_in = [&](Slot slot) {
    auto& block = (*blocks_)[slot];
    const std::uint64_t begin = block.number * settings_.block;
    block.valid &= ~units_of(intersection(units, {begin, begin + settings_.block}));
  };
  const std::lock_guard lock(mutex_);
  if (last - first < blocks_->slots()) {
    for (std::uint64_t number = first; number <= last; ++number)
      if (const Slot slot = blocks_->find(number); slot != Blocks::none) forget_in(slot);
    return;
  }
  for (Slot slot = 0; slot != blocks_->slots(); ++slot) {
    const std::uint64_t number = (*blocks_)[slot].number;
    if (number >= first && number <= last && blocks_->find(number) == slot) forget_in(slot);
  }
}

Status Contents::clear(Io& io, const Below& below) noexcept {
  if (io.has(Flag::nowait)) return Status::would_block();
  const Range units = units_around({io.offset(), io.end()});
  return change_below(io, below, units, [&] {
    const Status s = below.next(Io(io, io.op(), io.offset(), io.length(), io.flags() | durability(below)));
    if (s != Status::not_supported()) forget(units);
    return s;
  });
}

}  // namespace ashlar::caching
