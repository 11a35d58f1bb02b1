// Abilities: what an opened backend has turned out not to support, and what each method has done so far. Shared by the
// backend's connections; all members may be used by any thread at any time.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>

#include "methods.hpp"

namespace ashlar::fileops {

class Abilities {
 public:
  Methods unsupported() const { return Methods{unsupported_.load(std::memory_order_relaxed)}; }

  // Returns true to the one caller that found it out first.
  bool found_unsupported(Method method) {
    const std::uint32_t bit = Methods{method}.bits();
    return (unsupported_.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
  }

  bool lacks(Feature feature) const { return (lacking_.load(std::memory_order_relaxed) & bit(feature)) != 0; }
  // Likewise.
  bool found_unsupported(Feature feature) {
    return (lacking_.fetch_or(bit(feature), std::memory_order_relaxed) & bit(feature)) == 0;
  }

  struct Totals {
    std::uint64_t calls = 0;
    std::uint64_t done = 0;         // calls that succeeded
    std::uint64_t bytes = 0;        // in them
    std::uint64_t nanoseconds = 0;  // in all calls
    int last_error = 0;             // errno of the last call that did not succeed
  };

  void count(Method method, std::uint64_t bytes, int error, std::uint64_t nanoseconds) {
    Counters& c = counters_[static_cast<std::size_t>(method)];
    c.nanoseconds.fetch_add(nanoseconds, std::memory_order_relaxed);
    if (error != 0) {
      c.not_done.fetch_add(1, std::memory_order_relaxed);
      c.last_error.store(error, std::memory_order_relaxed);
    } else {
      c.done.fetch_add(1, std::memory_order_relaxed);
      c.bytes.fetch_add(bytes, std::memory_order_relaxed);
    }
  }

  Totals totals(Method method) const {
    const Counters& c = counters_[static_cast<std::size_t>(method)];
    const std::uint64_t done = c.done.load(std::memory_order_relaxed);
    return {done + c.not_done.load(std::memory_order_relaxed), done, c.bytes.load(std::memory_order_relaxed),
            c.nanoseconds.load(std::memory_order_relaxed), c.last_error.load(std::memory_order_relaxed)};
  }

 private:
  static constexpr std::uint32_t bit(Feature feature) { return 1u << static_cast<std::uint32_t>(feature); }

  struct Counters {
    std::atomic<std::uint64_t> done{0}, not_done{0}, bytes{0}, nanoseconds{0};
    std::atomic<int> last_error{0};
  };
  std::atomic<std::uint32_t> unsupported_{0};  // a set of methods
  std::atomic<std::uint32_t> lacking_{0};      // a set of features
  std::array<Counters, method_count> counters_;
};

}  // namespace ashlar::fileops
