#include "memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <new>

namespace ashlar::check {
namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t beside = 64;  // bytes, at least, on either side
constexpr std::size_t odd = 5;
constexpr std::byte pattern{0xc3};

// Pages that were given back, the last of them: nobody can touch them.
class Gone {
 public:
  static Gone& all() {
    static Gone gone;
    return gone;
  }
  void add(void* pages, std::size_t bytes) {
    ::mprotect(pages, bytes, PROT_NONE);
    ::madvise(pages, bytes, MADV_DONTNEED);
    const std::lock_guard guard(mutex_);
    Range& oldest = last_[next_++ % last_.size()];
    if (oldest.bytes != 0) ::munmap(oldest.pages, oldest.bytes);
    oldest = {pages, bytes};
  }

 private:
  struct Range {
    void* pages = nullptr;
    std::size_t bytes = 0;
  };
  std::mutex mutex_;
  std::array<Range, 128> last_;
  std::size_t next_ = 0;
};

}  // namespace

Pages::Pages(std::size_t bytes) : size_((bytes + page - 1) / page * page) {
  void* base = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) throw std::bad_alloc();
  begin_ = static_cast<std::byte*>(base);
}

Pages::~Pages() { Gone::all().add(begin_, size_); }

Memory::Memory(std::size_t n, Place place)
    : size_(n), pages_(n + 2 * beside + odd + 2 * page), begin_(pages_.begin() + page), place_(place) {
  end_ = pages_.begin() + pages_.size() - page;
  data_ = place == Place::amid ? begin_ + beside + odd : place == Place::at_the_end ? end_ - n : begin_;
  if (::mprotect(pages_.begin(), page, PROT_NONE) != 0 || ::mprotect(end_, page, PROT_NONE) != 0)
    throw std::bad_alloc();
  std::fill(begin_, data_, pattern);
  std::fill(data_ + n, end_, pattern);
}

void Memory::only_read() {
  if (place_ != Place::amid) ::mprotect(begin_, static_cast<std::size_t>(end_ - begin_), PROT_READ);
}

bool Memory::touched() const {
  const auto changed = [](std::byte b) { return b != pattern; };
  return std::any_of(begin_, data_, changed) || std::any_of(data_ + size_, end_, changed);
}

}  // namespace ashlar::check
