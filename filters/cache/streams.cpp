#include "streams.hpp"

#include <algorithm>

namespace ashlar::caching {

namespace {

constexpr std::uint64_t gap = 64 << 10;   // bytes that a stream may leave out
constexpr std::uint64_t reach = 1 << 20;  // how far apart two reads of one stream begin
constexpr std::uint64_t first_ahead = 128 << 10;
constexpr unsigned enough = 2;        // that have followed
constexpr std::uint64_t sparse = 16;  // of a stream that leaves out more than so many times what it reads

std::uint64_t apart(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : b - a; }

}  // namespace

Streams::Stream* Streams::near(std::uint64_t offset) {
  Stream* found = nullptr;
  for (Stream& s : streams_) {
    const std::uint64_t distance = std::min(apart(offset, s.last.begin), apart(offset, s.last.end));
    if (s.used == 0 || distance > reach) continue;
    if (found == nullptr || s.used > found->used) found = &s;
  }
  return found;
}

bool Streams::follows(const Stream& s, Range one) {
  const std::uint64_t begin = one.begin;
  if (s.distance >= 0 && begin >= s.last.end && begin - s.last.end <= gap) return true;
  return s.distance != 0 && static_cast<std::int64_t>(begin - s.last.begin) == s.distance;
}

void Streams::note(Range one) {
  const std::lock_guard guard(mutex_);
  Stream* s = near(one.begin);
  if (s == nullptr) {
    s = &*std::ranges::min_element(streams_, {}, &Stream::used);
    *s = {.last = one, .used = ++clock_};
    return;
  }
  s->used = ++clock_;
  if (follows(*s, one)) {
    ++s->steady;
  } else {
    const auto distance = static_cast<std::int64_t>(one.begin - s->last.begin);
    // One that is tried again, or comes a little too late.
    if (distance == 0 || (s->steady >= enough && (distance > 0) != (s->distance >= 0))) return;
    s->steady = 0;
    s->ahead = 0;
  }
  s->distance = static_cast<std::int64_t>(one.begin - s->last.begin);
  s->last = one;
}

Range Streams::with_ahead(Range one, std::uint64_t most) {
  const std::lock_guard guard(mutex_);
  Stream* const s = near(one.begin);
  if (s == nullptr || s->steady < enough || most == 0) return one;
  const auto distance = static_cast<std::uint64_t>(s->distance >= 0 ? s->distance : -s->distance);
  if (distance > most || distance / sparse > std::max<std::uint64_t>(s->last.length(), 1)) return one;
  s->ahead = std::min(std::max({s->ahead * 2, first_ahead, distance}), most);
  if (s->distance >= 0) return {one.begin, one.end + s->ahead};
  return {one.begin - std::min(one.begin, s->ahead), one.end};
}

}  // namespace ashlar::caching
