// ExtentSink: a filter's own receiver of extents, put between the layer below and the one who asked.
#pragma once
#include <ashlar/io.hpp>
#include <utility>

namespace ashlar {

// Hands each extent to `take`, a callable bool(std::uint64_t bytes, ExtentState) that must not throw and returns false
// when no more is wanted. Keeps its address: give it to Io::set_sink() for one call.
//
//   ExtentSink sink([&](std::uint64_t bytes, ExtentState state) { return io.add_extent(bytes, state); });
template <class Take>
class ExtentSink : public ashlar_extent_sink {
 public:
  explicit ExtentSink(Take take) : ashlar_extent_sink{this, &thunk}, take_(std::move(take)) {}
  ExtentSink(const ExtentSink&) = delete;
  ExtentSink& operator=(const ExtentSink&) = delete;

 private:
  static std::int32_t thunk(void* self, std::uint64_t bytes, std::uint32_t state) noexcept {
    return static_cast<ExtentSink*>(static_cast<ashlar_extent_sink*>(self))->take_(bytes, ExtentState{state}) ? 0 : 1;
  }
  Take take_;
};

}  // namespace ashlar
