// ExtentSink: a filter's own receiver of extents, put between the layer below and the one who asked. cut_extents(): one
// that knows where to end.
#pragma once
#include <algorithm>
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

// Has `send`, a callable Status(Io&), send `io`, whose sink gets extents of `bytes` at most: those that the layer below
// tells may reach past the end of the request, but the disk of who asks may end earlier. `io` may have no sink.
template <class Send>
Status cut_extents(Io& io, std::uint64_t bytes, Send send) noexcept {
  const ashlar_extent_sink* const asked = io.sink();
  if (asked == nullptr) return send(io);
  ExtentSink sink([asked, left = bytes](std::uint64_t length, ExtentState state) mutable {
    const std::uint64_t inside = std::min(length, left);
    left -= inside;
    const bool more = inside != 0 && asked->add(asked->self, inside, static_cast<std::uint32_t>(state.bits())) == 0;
    return more && left != 0;
  });
  io.set_sink(&sink);
  const Status s = send(io);
  io.set_sink(asked);
  return s;
}

}  // namespace ashlar
