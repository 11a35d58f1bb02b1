#include "extents.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "backend.hpp"

namespace ashlar::fileops {

bool ExtentWalk::give(FoundExtent& found, std::uint64_t end, bool hole) {
  end = std::min(end, left_.end());
  found = {{left_.offset, end - left_.offset}, hole};
  left_ = {end, left_.end() - end};
  at_data_ = hole;  // what follows a hole is data; what follows data has to be looked at
  return true;
}

// As one extent, what there is up to the end of the range.
bool ExtentWalk::give_rest(FoundExtent& found, bool hole) {
  const std::int64_t size = sys_.size(fd_);
  if (size < 0) error_ = static_cast<int>(-size);
  else if (static_cast<std::uint64_t>(size) <= left_.offset) error_ = EIO;
  return error_ == 0 && give(found, static_cast<std::uint64_t>(size), hole);
}

std::int64_t ExtentWalk::seek(int whence) {
  return retry([&] { return sys_.seek(fd_, left_.offset, whence); });
}

bool ExtentWalk::next(FoundExtent& found) {
  if (left_.empty() || error_ != 0) return false;
  for (int tries = 0; tries < 4; ++tries) {
    if (!at_data_) {
      const std::int64_t data = seek(SEEK_DATA);
      if (data == -ENXIO) return give_rest(found, true);  // no data up to the end of the file, or behind its end
      if (data < 0) {
        error_ = static_cast<int>(-data);
        return false;
      }
      if (static_cast<std::uint64_t>(data) > left_.offset) return give(found, static_cast<std::uint64_t>(data), true);
    }
    const std::int64_t hole = seek(SEEK_HOLE);
    if (hole < 0 && hole != -ENXIO) {
      error_ = static_cast<int>(-hole);
      return false;
    }
    if (hole > 0 && static_cast<std::uint64_t>(hole) > left_.offset)
      return give(found, static_cast<std::uint64_t>(hole), false);
    at_data_ = false;  // the data has gone between the two seeks: look again
  }
  return give_rest(found, false);
}

namespace {

// No request makes more than this many extents; the client asks again for the rest.
constexpr int extents_max = 1024;
// A read reports its holes in at most so many extents.
constexpr std::size_t read_extents_max = 16;
// Shorter reads only look whether all of it is a hole.
constexpr std::uint64_t look_inside_min = 64u << 10;

constexpr ExtentState state(bool hole) { return hole ? Extent::sparse : Extent::allocated; }

bool seek_unsupported(int error) { return error == EINVAL || verdict(error) == Verdict::unsupported; }

}  // namespace

bool Backend::tells_holes() const noexcept {
  return facts_.holes != Holes::unknown && !abilities_.lacks(Feature::seek_data);
}

bool Backend::reads_may_skip_holes() const noexcept {
  return facts_.holes == Holes::trusted && !dense_.load(std::memory_order_relaxed) && tells_holes();
}

Status Backend::extents(Io& io) noexcept {
  if (!io.has(Flag::nowait)) return tell_extents(io);
  const Watch watch(calm_, sys_);
  return watch.may_run() ? tell_extents(io) : Status::would_block();
}

// Where the walk ends early, the client asks again for the rest, and is told then what is wrong with it.
Status Backend::tell_extents(Io& io) noexcept {
  if (!tells_holes()) return tell_data(io);
  const int most = io.has(Flag::req_one) ? 1 : extents_max;
  ExtentWalk walk(sys_, fd_.get(), {io.offset(), io.length()});
  FoundExtent found;
  for (int n = 0; n < most && walk.next(found); ++n)
    if (!io.add_extent(found.range.length, state(found.hole))) return Status::success();
  if (walk.left().offset != io.offset()) return Status::success();
  if (!seek_unsupported(walk.error())) return answer(walk.error());
  note_refusal(Feature::seek_data, walk.error());
  return tell_data(io);
}

// All that is there may be data, which is right in any case.
Status Backend::tell_data(Io& io) noexcept {
  const std::int64_t size = sys_.size(fd_.get());
  if (size < 0) return answer(-size);
  const std::uint64_t end = std::min(io.end(), static_cast<std::uint64_t>(size));
  if (end <= io.offset()) return Status::io_error();
  io.add_extent(end - io.offset(), Extent::allocated);
  return Status::success();
}

// What stands in a range; data, which is right in any case, where that cannot be looked for at once.
Backend::Content Backend::content_of(Range range) noexcept {
  if (!reads_may_skip_holes()) return Content::data;
  const Watch watch(calm_, sys_);
  ExtentWalk walk(sys_, fd_.get(), range);
  FoundExtent first;
  if (!watch.may_run() || !walk.next(first)) return Content::data;
  if (!walk.left().empty()) return Content::both;
  return first.hole ? Content::hole : Content::data;
}

// read with MAY_HOLE: reports holes instead of filling the buffer with their zeroes. Returns false, having done
// nothing, when there are none or they cannot be looked for now.
bool Backend::read_around_holes(Io& io, Status& status) noexcept {
  if (!reads_may_skip_holes()) return false;
  const bool nowait = io.has(Flag::nowait);
  std::array<FoundExtent, read_extents_max> found;
  std::size_t n = 0;
  {
    const Watch watch(calm_, sys_);
    if (nowait && !watch.may_run()) return false;
    ExtentWalk walk(sys_, fd_.get(), {io.offset(), io.length()});
    while (n < found.size() && walk.next(found[n])) {
      ++n;
      if (io.length() < look_inside_min) break;
    }
    if (n == 0 || (n == 1 && !found[0].hole)) return false;
    // The rest is read as data, which is right in any case.
    if (!walk.left().empty()) {
      if (io.length() < look_inside_min) return false;
      if (n == found.size()) --n;
      const std::uint64_t from = n == 0 ? io.offset() : found[n - 1].range.end();
      found[n++] = {{from, io.end() - from}, false};
    }
  }
  // Where the data are not in memory, a worker repeats all of it and leaves the holes out. Lent cold, the holes would
  // be read and sent as well.
  for (std::size_t i = 0; i < n; ++i) {
    const auto& [range, hole] = found[i];
    if (hole) continue;
    status = read_part(io.buffer().data() + (range.offset - io.offset()), range, nowait);
    if (status.failed()) return true;
  }
  for (std::size_t i = 0; i < n; ++i)
    if (!io.add_extent(found[i].range.length, state(found[i].hole))) break;
  status = Status::success();
  return true;
}

}  // namespace ashlar::fileops
