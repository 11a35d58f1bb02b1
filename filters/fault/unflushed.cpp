#include "unflushed.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ashlar::fault {

Unflushed::Piece Unflushed::piece_of(std::span<const std::byte> bytes) {
  return {bytes.size(), std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end()), 0, false};
}

Unflushed::Piece Unflushed::zeroes(std::uint64_t length, bool may_trim) {
  return {length, std::make_shared<const std::vector<std::byte>>(), 0, may_trim};
}

void Unflushed::put(std::uint64_t offset, const Piece& piece) {
  const std::lock_guard guard(mutex_);
  put_piece(offset, piece);
}

// All that can fail comes first.
void Unflushed::put_piece(std::uint64_t offset, const Piece& piece) {
  const std::uint64_t end = offset + piece.length;
  Pieces one;
  one.emplace(offset, piece);
  split_at(offset);
  split_at(end);
  for (auto it = pieces_.lower_bound(offset); it != pieces_.end() && it->first < end;) it = erase_one(it);
  memory_ += memory_of(piece);
  pieces_.insert(one.extract(one.begin()));
}

// Makes two of the piece that `offset` lies within.
void Unflushed::split_at(std::uint64_t offset) {
  const auto behind = pieces_.upper_bound(offset);
  if (behind == pieces_.begin()) return;
  auto& [begin, piece] = *std::prev(behind);
  if (begin == offset || begin + piece.length <= offset) return;
  const std::uint64_t kept = offset - begin;
  Piece tail = piece;
  tail.length -= kept;
  tail.skip += kept;
  pieces_.emplace_hint(behind, offset, std::move(tail));
  piece.length = kept;
  memory_ += overhead;
}

Unflushed::Pieces::iterator Unflushed::erase_one(Pieces::iterator piece) {
  memory_ -= memory_of(piece->second);
  return pieces_.erase(piece);
}

Unflushed::Patched Unflushed::patch(std::uint64_t offset, std::span<std::byte> into) const {
  const std::lock_guard guard(mutex_);
  const std::uint64_t end = offset + into.size();
  std::uint64_t patched = 0;
  auto it = pieces_.upper_bound(offset);
  if (it != pieces_.begin()) --it;
  for (; it != pieces_.end() && it->first < end; ++it) {
    const auto& [begin, piece] = *it;
    const std::uint64_t from = std::max(begin, offset), to = std::min(begin + piece.length, end);
    if (from >= to) continue;
    std::byte* const at = into.data() + (from - offset);
    if (piece.zero()) std::memset(at, 0, to - from);
    else std::memcpy(at, piece.bytes().data() + (from - begin), to - from);
    patched += to - from;
  }
  return {patched == into.size(), generation_};
}

Unflushed::Found Unflushed::find(std::uint64_t offset, std::uint64_t length) const {
  const std::lock_guard guard(mutex_);
  const auto behind = pieces_.upper_bound(offset);
  if (behind != pieces_.begin()) {
    const auto& [begin, piece] = *std::prev(behind);
    if (begin + piece.length > offset) {
      const ExtentState zeroes = piece.may_trim ? Extent::sparse : Extent::zero;
      return {std::min(begin + piece.length - offset, length), piece.zero() ? zeroes : Extent::allocated};
    }
  }
  if (behind == pieces_.end()) return {length, std::nullopt};
  return {std::min(behind->first - offset, length), std::nullopt};
}

bool Unflushed::has_some(std::uint64_t offset, std::uint64_t length) const {
  const Found found = find(offset, length);
  if (found.state || found.length < length) return true;
  const std::lock_guard guard(mutex_);
  const auto touches = [&](const Placed& one) { return one.offset < offset + length && one.end() > offset; };
  return std::any_of(batches_.begin(), batches_.end(), [&](const Batch* batch) {
    return std::any_of(batch->pieces_.begin(), batch->pieces_.end(), touches);
  });
}

std::uint64_t Unflushed::clear() {
  const std::lock_guard guard(mutex_);
  std::uint64_t bytes = 0;
  for (const auto& [begin, piece] : pieces_) bytes += piece.length;
  pieces_.clear();
  memory_ = 0;
  ++generation_;
  return bytes;
}

std::uint64_t Unflushed::memory() const {
  const std::lock_guard guard(mutex_);
  return memory_;
}

// ---- Batches ----

Unflushed::Batch::Batch(Unflushed& of) : of_(of) {
  {
    const std::lock_guard guard(of_.mutex_);
    pieces_.reserve(of_.pieces_.size());
    for (const auto& [offset, piece] : of_.pieces_) pieces_.push_back({offset, piece});
    enter();
  }
  wait();
}

Unflushed::Batch::Batch(Unflushed& of, std::uint64_t offset, const Piece& piece) : of_(of), pieces_{{offset, piece}} {
  {
    const std::lock_guard guard(of_.mutex_);
    of_.put_piece(offset, piece);
    enter();
  }
  wait();
}

void Unflushed::Batch::enter() {
  in_the_way_ = static_cast<unsigned>(std::count_if(of_.batches_.begin(), of_.batches_.end(),
                                                    [this](const Batch* one) { return conflict(*one, *this); }));
  place_ = of_.batches_.insert(of_.batches_.end(), this);
  if (in_the_way_ == 0) return;
  try {
    ready_.emplace(of_.wait_);
  } catch (const std::bad_alloc&) {
    of_.batches_.erase(place_);
    throw;
  }
}

void Unflushed::Batch::wait() {
  if (ready_) static_cast<void>(ready_->wait());
}

Unflushed::Batch::~Batch() {
  const std::lock_guard guard(of_.mutex_);
  // Under the mutex: a batch that is told may be gone as soon as the mutex is free.
  for (auto it = of_.batches_.erase(place_); it != of_.batches_.end(); ++it)
    if (conflict(*this, **it) && --(*it)->in_the_way_ == 0) (*it)->ready_->done();
}

void Unflushed::Batch::written(const Placed& one) noexcept {
  const std::lock_guard guard(of_.mutex_);
  ++of_.generation_;
  for (auto it = of_.pieces_.lower_bound(one.offset); it != of_.pieces_.end() && it->first < one.end();)
    it = it->second.written == one.piece.written ? of_.erase_one(it) : std::next(it);
}

// Both are in order, so one look at each piece is enough.
bool Unflushed::conflict(const Batch& a, const Batch& b) {
  auto i = a.pieces_.begin();
  auto j = b.pieces_.begin();
  while (i != a.pieces_.end() && j != b.pieces_.end()) {
    const bool overlap = i->offset < j->end() && j->offset < i->end();
    if (overlap && i->piece.written != j->piece.written) return true;
    if (i->end() <= j->end()) ++i;
    else ++j;
  }
  return false;
}

}  // namespace ashlar::fault
