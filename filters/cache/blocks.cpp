#include "blocks.hpp"

#include <algorithm>
#include <bit>

namespace ashlar::caching {

namespace {

constexpr std::uint8_t most_asked = 3;
constexpr int most_looks = 4096;  // for one that may go

std::uint64_t hash(std::uint64_t number) {
  number *= 0x9e3779b97f4a7c15;
  return number ^ number >> 32;
}

}  // namespace

Blocks::Blocks(Slot slots) : blocks_(slots), buckets_(std::bit_ceil(slots), none), ghosts_(slots - slots / 10) {
  free_.reserve(slots);
  for (Slot s = slots; s-- != 0;) free_.push_back(s);
}

Blocks::Slot& Blocks::bucket(std::uint64_t number) { return buckets_[hash(number) & (buckets_.size() - 1)]; }

Blocks::Slot Blocks::find(std::uint64_t number) const {
  Slot s = buckets_[hash(number) & (buckets_.size() - 1)];
  while (s != none && blocks_[s].number != number) s = blocks_[s].hashed;
  return s;
}

Blocks::Slot Blocks::insert(std::uint64_t number) {
  if (free_.empty() && !make_room()) return none;
  const Slot slot = free_.back();
  free_.pop_back();
  Block& block = blocks_[slot];
  block = Block{};
  block.number = number;
  block.hashed = bucket(number);
  bucket(number) = slot;
  if (ghosts_.take(number)) push(main_, slot, Block::Queue::main);
  else push(small_, slot, Block::Queue::small);
  return slot;
}

void Blocks::erase(Slot slot) {
  Block& block = blocks_[slot];
  clear_dirty(slot, block.dirty);
  unlink(slot);
  Slot* at = &bucket(block.number);
  while (*at != slot) at = &blocks_[*at].hashed;
  *at = block.hashed;
  free_.push_back(slot);
}

void Blocks::asked(Slot slot, std::uint32_t begin, std::uint32_t end) {
  Block& block = blocks_[slot];
  if (begin != block.read_to && block.asked < most_asked) ++block.asked;
  block.read_to = end;
}

void Blocks::push(Queue& queue, Slot slot, Block::Queue is) {
  Block& block = blocks_[slot];
  block.queue = is;
  block.newer = none;
  block.older = queue.newest;
  (queue.newest != none ? blocks_[queue.newest].newer : queue.oldest) = slot;
  queue.newest = slot;
  ++queue.length;
}

void Blocks::unlink(Slot slot) {
  Block& block = blocks_[slot];
  Queue& queue = block.queue == Block::Queue::main ? main_ : small_;
  (block.older != none ? blocks_[block.older].newer : queue.oldest) = block.newer;
  (block.newer != none ? blocks_[block.newer].older : queue.newest) = block.older;
  --queue.length;
  block.queue = Block::Queue::unused;
}

bool Blocks::make_room() {
  for (int i = 0; i != most_looks; ++i) {
    const bool from_small = small_.length > slots() / 10 || main_.length == 0;
    if (from_small ? look_at_small() : look_at_main()) return true;
  }
  return false;
}

bool Blocks::look_at_small() {
  const Slot slot = small_.oldest;
  Block& block = blocks_[slot];
  if (may_go(block) && block.asked == 0) {
    ghosts_.add(block.number);
    erase(slot);
    return true;
  }
  unlink(slot);
  block.asked = 0;
  push(main_, slot, Block::Queue::main);
  return false;
}

bool Blocks::look_at_main() {
  const Slot slot = main_.oldest;
  Block& block = blocks_[slot];
  if (may_go(block) && block.asked == 0) {
    erase(slot);
    return true;
  }
  if (block.asked != 0) --block.asked;
  unlink(slot);
  push(main_, slot, Block::Queue::main);
  return false;
}

// ---- What is dirty ----

void Blocks::set_dirty(Slot slot, std::uint64_t units) {
  Block& block = blocks_[slot];
  if (block.dirty == 0 && units != 0) link_dirty(slot);
  dirty_units_ += static_cast<std::uint64_t>(std::popcount(units & ~block.dirty));
  block.dirty |= units;
}

void Blocks::clear_dirty(Slot slot, std::uint64_t units) {
  Block& block = blocks_[slot];
  units &= block.dirty;
  if (units == 0) return;
  dirty_units_ -= static_cast<std::uint64_t>(std::popcount(units));
  block.dirty &= ~units;
  if (block.dirty == 0) unlink_dirty(slot);
}

Blocks::Slot Blocks::oldest_dirty() {
  const Slot slot = dirty_first_;
  if (slot == none) return none;
  unlink_dirty(slot);
  link_dirty(slot);
  return slot;
}

void Blocks::link_dirty(Slot slot) {
  Block& block = blocks_[slot];
  block.dirty_behind = none;
  block.dirty_before = dirty_last_;
  (dirty_last_ != none ? blocks_[dirty_last_].dirty_behind : dirty_first_) = slot;
  dirty_last_ = slot;
}

void Blocks::unlink_dirty(Slot slot) {
  const Block& block = blocks_[slot];
  (block.dirty_before != none ? blocks_[block.dirty_before].dirty_behind : dirty_first_) = block.dirty_behind;
  (block.dirty_behind != none ? blocks_[block.dirty_behind].dirty_before : dirty_last_) = block.dirty_before;
}

// ---- Ghosts ----

Blocks::Ghosts::Ghosts(Slot most) : most_(most), ghosts_(std::bit_ceil(std::max<Slot>(most, 1)) * 2) {}

Blocks::Ghosts::Ghost& Blocks::Ghosts::place(std::uint64_t number) {
  return ghosts_[hash(number) >> 8 & (ghosts_.size() - 1)];
}

void Blocks::Ghosts::add(std::uint64_t number) {
  place(number) = {static_cast<std::uint32_t>(hash(~number)) | 1, clock_++};
}

bool Blocks::Ghosts::take(std::uint64_t number) {
  Ghost& ghost = place(number);
  const bool here = ghost.print == (static_cast<std::uint32_t>(hash(~number)) | 1) && clock_ - ghost.when <= most_;
  if (here) ghost = {};
  return here;
}

}  // namespace ashlar::caching
