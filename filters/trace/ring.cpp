#include "ring.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace ashlar::trace {
namespace {

// From so many bytes on it is cheaper to have the kernel take the memory back than to fill it with zeroes.
constexpr std::size_t large = 256 << 10;
constexpr std::size_t page = 4096;

std::byte* memory_of(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "memory for the trace");
  return static_cast<std::byte*>(memory);
}

void fill_with_zeroes(std::byte* memory, std::size_t size) {
  if (size < large) {
    std::memset(memory, 0, size);
    return;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  std::byte* const first = memory + (page - address % page) % page;
  std::byte* const last = memory + size - (address + size) % page;
  std::memset(memory, 0, static_cast<std::size_t>(first - memory));
  std::memset(last, 0, static_cast<std::size_t>(memory + size - last));
  const auto between = static_cast<std::size_t>(last - first);
  if (::madvise(first, between, MADV_DONTNEED) != 0) std::memset(first, 0, between);
}

}  // namespace

Ring::Ring(std::size_t capacity) : capacity_(capacity), memory_(memory_of(capacity)) {}

Ring::~Ring() { ::munmap(memory_, capacity_); }

Ring::Event* Ring::claim(std::size_t bytes, std::size_t spare) noexcept {
  const std::size_t size = size_of(bytes);
  std::uint64_t tail = tail_.load(std::memory_order_relaxed);
  for (;;) {
    const std::size_t to_end = capacity_ - (tail & (capacity_ - 1));
    const std::size_t pad = to_end < size ? to_end : 0;
    const std::uint64_t after = tail + pad + size;
    // The memory up to head_ has been filled with zeroes, which whoever reads head_ sees.
    if (after + spare - seen_head_.load(std::memory_order_acquire) > capacity_) {
      const std::uint64_t head = head_.load(std::memory_order_acquire);
      if (after + spare - head > capacity_) return nullptr;
      seen_head_.store(head, std::memory_order_release);
    }
    if (!tail_.compare_exchange_weak(tail, after, std::memory_order_relaxed)) continue;
    if (pad != 0) put(at(tail), pad - sizeof(Event), padding);
    return at(tail + pad);
  }
}

bool Ring::put(Event* event, std::size_t bytes, std::uint32_t kind) noexcept {
  const std::size_t size = size_of(bytes);
  event->kind = kind;
  event->size.store(static_cast<std::uint32_t>(size), std::memory_order_release);
  const auto offset = static_cast<std::size_t>(reinterpret_cast<std::byte*>(event) - memory_);
  const std::size_t quarter = capacity_ / 4;
  return offset / quarter != (offset + size) / quarter;
}

Ring::Event* Ring::front() noexcept {
  for (;;) {
    Event* const event = at(popped_);
    // What has been popped may stand there still, when the ring is full.
    if (popped_ - head_.load(std::memory_order_relaxed) == capacity_) return nullptr;
    if (event->size.load(std::memory_order_acquire) == 0) return nullptr;
    if (event->kind != padding) return event;
    pop();
  }
}

void Ring::pop() noexcept {
  popped_ += at(popped_)->size.load(std::memory_order_relaxed);
  if (popped_ - head_.load(std::memory_order_relaxed) >= std::min(most_popped, capacity_ / 4)) release();
}

void Ring::release() noexcept {
  const std::uint64_t head = head_.load(std::memory_order_relaxed);
  const auto size = static_cast<std::size_t>(popped_ - head);
  if (size == 0) return;
  const std::size_t to_end = capacity_ - (head & (capacity_ - 1));
  fill_with_zeroes(reinterpret_cast<std::byte*>(at(head)), std::min(size, to_end));
  if (size > to_end) fill_with_zeroes(memory_, size - to_end);
  head_.store(popped_, std::memory_order_release);
}

}  // namespace ashlar::trace
