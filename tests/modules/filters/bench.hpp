// What the filters' tests share: the filter that is linked in, and bytes.
#pragma once
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/model_disk.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

extern "C" const ashlar_module* ashlar_entry(std::uint32_t host_major);

namespace ashlar::testing {

inline const ashlar_module& own_module() { return *ashlar_entry(ASHLAR_ABI_MAJOR); }

using Bytes = std::vector<std::byte>;
using Call = ModelDisk::Call;
using Calls = std::vector<Call>;

// Waits until `what` holds; false: it does not, after a time that only a hang takes.
inline bool holds_in_time(const std::function<bool()>& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!what() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return what();
}

inline Bytes bytes_of(std::size_t n, unsigned value) { return Bytes(n, static_cast<std::byte>(value)); }

// `n` bytes at `offset`, as the device gives them; throws when it fails.
inline Bytes read_all(const TestDevice& device, std::uint64_t offset, std::size_t n, Flags flags = {}) {
  Bytes into(n);
  if (const Status s = device.read(offset, into, flags); s.failed()) throw Refused(s.code(), "read");
  return into;
}
inline Bytes part(const Bytes& of, std::uint64_t offset, std::size_t n) {
  const auto first = of.begin() + static_cast<std::ptrdiff_t>(offset);
  return {first, first + static_cast<std::ptrdiff_t>(n)};
}
inline void put(Bytes& into, std::uint64_t offset, const Bytes& what) {
  std::copy(what.begin(), what.end(), into.begin() + static_cast<std::ptrdiff_t>(offset));
}

// The text with which `f` is refused.
template <class F>
std::string refusal(F f) {
  try {
    f();
  } catch (const Refused& r) {
    return r.what();
  }
  return "";
}

}  // namespace ashlar::testing
