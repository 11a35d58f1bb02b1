// Tells AddressSanitizer and ThreadSanitizer which stack a thread is on; without them, nothing.
#pragma once
#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

namespace ashlar::host::sanitizers {

// What was on a stack that is used anew.
inline void forget([[maybe_unused]] void* begin, [[maybe_unused]] std::size_t size) {
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(begin, size);
#endif
}

// One line of calls: a thread's, or a fiber's. leave_for() stands right before the switch to another, arrived() right
// behind a switch to this one.
class Line {
 public:
  // Of a fiber, whose stack begins at `begin`.
  void make(const void* begin, std::size_t size) {
    begin_ = begin;
    size_ = size;
#ifdef __SANITIZE_THREAD__
    fiber_ = __tsan_create_fiber(0);
#endif
  }
  // Once nothing of it will run any more. [not on it]
  void destroy() {
#ifdef __SANITIZE_THREAD__
    __tsan_destroy_fiber(fiber_);
#endif
  }
  // Of the calling thread.
  void be_thread() {
#ifdef __SANITIZE_THREAD__
    fiber_ = __tsan_get_current_fiber();
#endif
  }
  // `for_good`: this one never comes back.
  void leave_for([[maybe_unused]] const Line& other, [[maybe_unused]] bool for_good = false) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake_stack_, other.begin_, other.size_);
#endif
#ifdef __SANITIZE_THREAD__
    __tsan_switch_to_fiber(other.fiber_, 0);
#endif
  }
  // `from`: the one that was left for this one.
  void arrived([[maybe_unused]] Line& from) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(fake_stack_, &from.begin_, &from.size_);
#endif
  }

 private:
  [[maybe_unused]] const void* begin_ = nullptr;
  [[maybe_unused]] std::size_t size_ = 0;
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] void* fiber_ = nullptr;
};

}  // namespace ashlar::host::sanitizers
