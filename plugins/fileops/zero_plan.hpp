// Plan: which methods, in which order, for this request on this backend. Pure: a table and a function of values.
// What an errno of a method means stands here, too.
#pragma once
#include <array>
#include <cstddef>

#include "methods.hpp"

namespace ashlar::fileops {

// All that the choice of methods depends on.
struct Question {
  Kind kind = Kind::file;
  bool may_trim = false;  // zero: the range may be deallocated
  bool fast = false;      // zero: only methods without a slow path inside the kernel, decided before data is touched
  bool aligned = true;    // offset and length are multiples of the logical sector; matters for block devices
  Methods unsupported;    // found out before on this backend
};

// Methods in the order in which they are to be tried; empty: none fits.
class Plan {
 public:
  constexpr void add(Method method) { methods_[size_++] = method; }
  constexpr const Method* begin() const { return methods_.data(); }
  constexpr const Method* end() const { return methods_.data() + size_; }
  constexpr std::size_t size() const { return size_; }

 private:
  std::array<Method, method_count> methods_{};
  std::size_t size_ = 0;
};

Plan plan_zero(const Question& question);
Plan plan_trim(const Question& question);

// What a method's errno says, and what follows from it.
enum class Verdict {
  done,         // 0
  unsupported,  // remember it; the next method
  not_here,     // not this range, or not now: the next method, nothing to remember
  failed,       // the answer to the client
};
Verdict verdict(int error);

}  // namespace ashlar::fileops
