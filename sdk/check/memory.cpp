#include "memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace ashlar::check {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t beside = 64;  // bytes, at least, on either side
constexpr std::size_t odd = 5;
constexpr std::byte pattern{0xc3};

}  // namespace

Memory::Memory(std::size_t n, Place place) : size_(n), place_(place) {
  const std::size_t inner = (n + 2 * beside + odd + page - 1) / page * page;
  whole_ = inner + 2 * page;
  void* base = ::mmap(nullptr, whole_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<std::byte*>(base);
  begin_ = base_ + page;
  end_ = begin_ + inner;
  data_ = place == Place::amid ? begin_ + beside + odd : end_ - n;
  if (::mprotect(begin_, inner, PROT_READ | PROT_WRITE) != 0) {
    ::munmap(base_, whole_);
    throw std::bad_alloc();
  }
  std::fill(begin_, data_, pattern);
  std::fill(data_ + n, end_, pattern);
}

Memory::~Memory() { ::munmap(base_, whole_); }

void Memory::only_read() {
  if (place_ == Place::at_the_end) ::mprotect(begin_, static_cast<std::size_t>(end_ - begin_), PROT_READ);
}

bool Memory::touched() const {
  const auto changed = [](std::byte b) { return b != pattern; };
  return std::any_of(begin_, data_, changed) || std::any_of(data_ + size_, end_, changed);
}

}  // namespace ashlar::check
