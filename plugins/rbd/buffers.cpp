#include "buffers.hpp"

#include <algorithm>
#include <bit>

Buffers::Buffer Buffers::take(std::size_t bytes) {
  if (bytes == 0) return {};
  if (bytes < least_kept) return {*this, {std::unique_ptr<std::byte[]>(new std::byte[bytes]), bytes}};
  const std::size_t size = std::bit_ceil(bytes);
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(kept_, size, &Piece::size);
    if (found != kept_.end()) {
      Piece piece = std::move(*found);
      if (found != kept_.end() - 1) *found = std::move(kept_.back());
      kept_.pop_back();
      kept_bytes_ -= size;
      return {*this, std::move(piece)};
    }
  }
  return {*this, {std::unique_ptr<std::byte[]>(new std::byte[size]), size}};
}

void Buffers::give_back(Piece piece) noexcept {
  if (piece.size < least_kept) return;
  try {
    const std::lock_guard lock(mutex_);
    if (kept_bytes_ + piece.size > most_kept) return;
    const std::size_t size = piece.size;
    kept_.push_back(std::move(piece));
    kept_bytes_ += size;
  } catch (const std::bad_alloc&) {
    // It is freed instead.
  }
}
