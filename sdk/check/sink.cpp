#include "sink.hpp"

namespace ashlar::check {

Sink::Sink(std::uint64_t offset, std::uint64_t length, std::uint64_t end, std::size_t most)
    : ashlar_extent_sink{this, &thunk}, offset_(offset), length_(length), end_(end), most_(most) {}

void Sink::close() {
  const std::lock_guard guard(mutex_);
  closed_ = true;
}

std::string Sink::fault() const {
  const std::lock_guard guard(mutex_);
  return fault_;
}

std::int32_t Sink::thunk(void* self, std::uint64_t length, std::uint32_t state) noexcept {
  auto& sink = *static_cast<Sink*>(static_cast<ashlar_extent_sink*>(self));
  const std::lock_guard guard(sink.mutex_);
  return sink.add(length, state) ? 0 : 1;
}

bool Sink::wrong(const char* how) {
  if (fault_.empty()) fault_ = how;
  enough_ = true;
  return false;
}

bool Sink::add(std::uint64_t length, std::uint32_t state) {
  if (closed_) return wrong("added an extent when the request was done");
  if (enough_) return wrong("added an extent when no more was wanted");
  if (length == 0) return wrong("added an extent without a length");
  if ((state & ~(ASHLAR_HOLE | ASHLAR_ZERO)) != 0) return wrong("added an extent of an unknown state");
  if (length > end_ - offset_ - total_) return wrong("added an extent that reaches past the end of the device");
  total_ += length;
  if (!extents_.empty() && extents_.back().state == ExtentState{state}) extents_.back().length += length;
  else extents_.push_back({length, ExtentState{state}});
  enough_ = total_ >= length_ || (most_ != 0 && extents_.size() >= most_);
  return !enough_;
}

}  // namespace ashlar::check
