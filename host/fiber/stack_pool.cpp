#include "fiber/stack_pool.hpp"

#include <sys/mman.h>

#include <fstream>

#include "fiber/sanitizers.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t whole = Stack::guard + Stack::size;

// Null: the system has no room.
std::byte* make_stack() noexcept {
  void* const at = ::mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (at == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(at) + Stack::guard;
  if (::mprotect(begin, Stack::size, PROT_READ | PROT_WRITE) == 0) return begin + Stack::size;
  ::munmap(at, whole);
  return nullptr;
}

}  // namespace

StackPool::StackPool(std::size_t most) : most_(most) { kept_.reserve(most_kept); }  // giving back must not fail

StackPool::~StackPool() {
  for (const Stack& stack : kept_) ::munmap(stack.begin() - Stack::guard, whole);
}

Stack StackPool::try_take() noexcept {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (in_use_ >= most_) return {};
    ++in_use_;
    if (!kept_.empty()) {
      const Stack stack = kept_.back();
      kept_.pop_back();
      return stack;
    }
  }
  if (std::byte* const end = make_stack()) return Stack(end);
  const std::lock_guard<std::mutex> lock(mutex_);
  --in_use_;
  return {};
}

// What a deep call has used beyond the usual goes back to the system.
void StackPool::give_back(Stack stack) noexcept {
  sanitizers::forget(stack.begin(), Stack::size);
  ::madvise(stack.begin(), Stack::size - Stack::usually_used, MADV_DONTNEED);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    --in_use_;
    if (kept_.size() < most_kept) {
      kept_.push_back(stack);
      return;
    }
  }
  ::munmap(stack.begin() - Stack::guard, whole);
}

std::size_t StackPool::in_use() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return in_use_;
}

std::size_t StackPool::most_of_system() {
  constexpr std::size_t usual = 65530;
  std::size_t mappings = 0;
  std::ifstream file("/proc/sys/vm/max_map_count");
  if (!(file >> mappings) || mappings == 0) mappings = usual;
  return mappings / 4;
}

}  // namespace ashlar::host
