// HandlerMemory: room for one asynchronous operation of Boost.Asio, so that it can be begun anew again and again and
// never fails for want of memory. (Boost.Asio, "Custom Memory Allocation")
#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace ashlar::host {

// For operations that follow one another: the next may begin when the handler of the last is called. [the io_context's
// thread]
class HandlerMemory {
 public:
  HandlerMemory() = default;
  HandlerMemory(const HandlerMemory&) = delete;
  HandlerMemory& operator=(const HandlerMemory&) = delete;

  void* allocate(std::size_t bytes) {
    if (taken_ || bytes > sizeof room_) return ::operator new(bytes);
    taken_ = true;
    return room_;
  }
  void deallocate(void* memory) {
    if (memory == room_) taken_ = false;
    else ::operator delete(memory);
  }

 private:
  alignas(std::max_align_t) std::byte room_[512];
  bool taken_ = false;
};

// The handler `call`, whose operation lies in `memory`.
template <class Call>
class HandlerIn {
 public:
  template <class T>
  struct Allocator {
    using value_type = T;
    explicit Allocator(HandlerMemory& m) : memory(&m) {}
    template <class U>
    Allocator(const Allocator<U>& other) : memory(other.memory) {}  // NOLINT: as the standard wants it
    T* allocate(std::size_t n) { return static_cast<T*>(memory->allocate(n * sizeof(T))); }
    void deallocate(T* p, std::size_t) { memory->deallocate(p); }
    template <class U>
    bool operator==(const Allocator<U>& other) const {
      return memory == other.memory;
    }
    HandlerMemory* memory;
  };
  using allocator_type = Allocator<void>;

  HandlerIn(std::shared_ptr<HandlerMemory> memory, Call call) : memory_(std::move(memory)), call_(std::move(call)) {}
  allocator_type get_allocator() const noexcept { return allocator_type(*memory_); }
  template <class... Arguments>
  void operator()(Arguments&&... arguments) {
    call_(std::forward<Arguments>(arguments)...);
  }

 private:
  std::shared_ptr<HandlerMemory> memory_;  // stays until the operation is gone, which may be long after its owner
  Call call_;
};

}  // namespace ashlar::host
