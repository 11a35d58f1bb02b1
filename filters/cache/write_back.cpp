// Contents: what the layer below does not have yet, and how it gets there.
#include <algorithm>
#include <ashlar/extents.hpp>
#include <bit>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>

#include "contents.hpp"

namespace ashlar::caching {

namespace {

constexpr std::uint64_t longest_run = 1 << 20;  // bytes that are written below at once

// Whether a flush below has failed, rather than not been made.
bool is_told(Status s) { return s.failed() && s != Status::would_block() && s != Status{ECANCELED}; }

}  // namespace

// With the mutex held. Others add to the same metric.
void Contents::count_dirty() noexcept {
  const std::uint64_t now = blocks_->dirty_units() * unit_, before = dirty_bytes_.exchange(now);
  figures_.dirty.add(static_cast<double>(now) - static_cast<double>(before));
}

bool Contents::is_dirty(Range range) noexcept {
  if (dirty_bytes_ == 0) return false;
  if (range.length() <= longest_run) return !dirty_run(range).empty();
  const std::lock_guard lock(mutex_);
  bool found = false;
  blocks_->each_dirty([&](Slot slot) {
    const std::uint64_t begin = (*blocks_)[slot].number * settings_.block;
    const Range part = intersection(range, {begin, begin + settings_.block});
    found = found || (!part.empty() && ((*blocks_)[slot].dirty & units_of(part)) != 0);
  });
  return found;
}

// The numbers of those that are dirty and touch `range`, in the order of the disk.
std::vector<std::uint64_t> Contents::dirty_blocks(Range range) {
  std::vector<std::uint64_t> numbers;
  const std::lock_guard lock(mutex_);
  blocks_->each_dirty([&](Slot slot) {
    const std::uint64_t number = (*blocks_)[slot].number;
    if (number >= range.begin / settings_.block && number * settings_.block < range.end) numbers.push_back(number);
  });
  std::ranges::sort(numbers);
  return numbers;
}

// The first units in `range` that are dirty, and those that are so behind them without a gap; empty: there are none.
Range Contents::dirty_run(Range range) noexcept {
  const std::lock_guard lock(mutex_);
  Range run{range.end, range.end};
  for (std::uint64_t at = range.begin; at < range.end; at = block_end(at)) {
    const Range part{at, std::min(block_end(at), range.end)};
    const Slot slot = blocks_->find(at / settings_.block);
    const Mask dirty = slot != Blocks::none ? (*blocks_)[slot].dirty & units_of(part) : 0;
    const Range first = dirty != 0 ? first_run(dirty, at / settings_.block * settings_.block) : Range{};
    if (run.empty() && !first.empty()) run = first;
    else if (!run.empty() && !first.empty() && first.begin == run.end) run.end = first.end;
    else if (!run.empty()) break;
    if (!run.empty() && run.end != part.end) break;
  }
  return run;
}

// The dirty blocks of `range`, neighbours together.
std::vector<Range> Contents::dirty_runs(Range range) {
  std::vector<Range> runs;
  for (const std::uint64_t number : dirty_blocks(range)) {
    const std::uint64_t begin = number * settings_.block;
    const Range block = intersection({begin, block_end(begin)}, range);
    if (!runs.empty() && runs.back().end == begin && block.end - runs.back().begin <= longest_run)
      runs.back().end = block.end;
    else runs.push_back(block);
  }
  return runs;
}

// Those who do so at once share what there is: what another one writes just now comes last, and is clean by then unless
// he has failed.
Status Contents::write_back(const Io& io, const Below& below, Range range) noexcept {
  if (dirty_bytes_ == 0) return Status::success();
  if (range.length() <= longest_run) return write_back_run(io, below, range);
  try {
    Status first;
    const auto note = [&](Status s) { first = first.ok() ? s : first; };
    std::vector<Range> others;
    for (const Range run : dirty_runs(range)) {
      const RangeLock::Hold alone(writing_back_, run.begin, run.end, RangeLock::Mode::exclusive, std::try_to_lock);
      if (alone.held()) note(write_back_held(io, below, run));
      else others.push_back(run);
    }
    for (const Range run : others) note(write_back_run(io, below, run));
    return first;
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
}

Status Contents::write_back_run(const Io& io, const Below& below, Range range) noexcept {
  if (range.empty()) return Status::success();
  const RangeLock::Hold alone(writing_back_, range.begin, range.end, RangeLock::Mode::exclusive);
  return alone.held() ? write_back_held(io, below, range) : Status{ENOMEM};
}

// All that is dirty in `range`, which is of units, and which the caller holds in `writing_back_`. What fails stays
// dirty and keeps the rest from nothing; the first error is told.
Status Contents::write_back_held(const Io& io, const Below& below, Range range) noexcept {
  Status first;
  while (!range.empty()) {
    const Range run = dirty_run(range);
    if (run.empty()) break;
    const RangeLock::Hold keep(changing_, run.begin, run.end, RangeLock::Mode::shared);
    const Buffers::Lease lease(buffers_, below.user, run.length());
    if (!keep.held() || lease.failed()) return Status{ENOMEM};
    Status s = copy_dirty(io, run, lease.bytes());
    if (s.ok()) s = below.write(io, run.begin, lease.bytes(), durability(below));
    if (s == Status{ECANCELED}) return first.ok() ? s : first;
    if (s.ok()) now_clean(run);
    else if (first.ok()) first = s;
    range.begin = run.end;
  }
  return first;
}

// Only who holds it in `writing_back_` makes it clean, so its blocks stay.
Status Contents::copy_dirty(const Io& io, Range run, std::span<std::byte> into) noexcept {
  for (std::uint64_t at = run.begin; at < run.end;) {
    const Range part{at, std::min(block_end(at), run.end)};
    Slot slot = Blocks::none;
    {
      const std::lock_guard lock(mutex_);
      slot = blocks_->find(at / settings_.block);
    }
    const auto to = into.subspan(at - run.begin, part.length());
    if (const Status s = store_->read(io, slot, at % settings_.block, to, {}); s.failed()) return s;
    at = part.end;
  }
  return Status::success();
}

void Contents::now_clean(Range run) noexcept {
  const std::lock_guard lock(mutex_);
  for (std::uint64_t at = run.begin; at < run.end; at = block_end(at)) {
    const Slot slot = blocks_->find(at / settings_.block);
    if (slot != Blocks::none) blocks_->clear_dirty(slot, units_of({at, std::min(block_end(at), run.end)}));
  }
  count_dirty();
  figures_.written_back.add(static_cast<double>(run.length()));
}

// Whether all of `part` may become dirty: there is room for it, then, until `room` is gone.
bool Contents::claim(Range part, Room& room) noexcept {
  const std::uint64_t bytes = units_around(part).length(), blocks = blocks_of(part);
  const std::lock_guard lock(mutex_);
  if (dirty_bytes_ + claimed_bytes_ + bytes > settings_.most_dirty ||
      blocks_->dirty_blocks() + claimed_blocks_ + blocks > most_dirty_blocks())
    return false;
  claimed_bytes_ += room.bytes_ = bytes;
  claimed_blocks_ += room.blocks_ = blocks;
  return true;
}

// So that `part` may be dirty: what has been so for the longest time goes below, with its neighbours. "Would block":
// others have claimed the room.
Status Contents::make_room(const Io& io, const Below& below, Range part, Room& room) noexcept {
  while (!claim(part, room)) {
    std::uint64_t begin = 0;
    {
      const std::lock_guard lock(mutex_);
      const Slot slot = blocks_->oldest_dirty();
      if (slot == Blocks::none) return Status::would_block();
      begin = (*blocks_)[slot].number * settings_.block;
    }
    const Range range{begin, std::min(begin + std::max(longest_run, settings_.block), size_)};
    if (const Status s = write_back_run(io, below, dirty_run(range)); s.failed()) {
      note_failure(s, "what was written cannot be written below (%s): it is kept, and the next flush tells");
      return s;
    }
  }
  return Status::success();
}

// `what`: has %s for the error.
void Contents::note_failure(Status s, const char* what) noexcept {
  figures_.failed.add();
  int none = 0;
  failed_.compare_exchange_strong(none, s.code());
  host_.log(Level::error, what, std::strerror(s.code()));
}

Status Contents::flush_below(Io& io, const Below& below) noexcept {
  if (!below.geometry.ops.has(Op::flush)) return Status::success();
  const Status s = below.next(io);
  if (is_told(s)) losses_.add(s);
  return s;
}

// Without waiting there is no time to write back: what becomes dirty meanwhile was not there before the flush.
Status Contents::flush(Io& io, const Below& below, std::atomic<std::uint64_t>& known) noexcept {
  if (io.has(Flag::nowait)) {
    const bool waits = dirty_bytes_ != 0 || failed_ != 0 || losses_.count() != known;
    if (waits || !below.geometry.flags.has(Flag::nowait)) return Status::would_block();
    const Status s = flush_below(io, below);
    if (is_told(s)) known = losses_.count();
    return s.ok() && losses_.count() != known ? Status::would_block() : s;  // to be told by the one that waits
  }
  const std::uint64_t known_before = known;
  const Status back = write_back(io, below, {0, size_});
  if (is_told(back)) {
    figures_.failed.add();
    host_.log(Level::error, "what was written cannot be written below (%s): it is kept", std::strerror(back.code()));
  }
  const Status s = flush_below(io, below);
  if (back == Status{ECANCELED} || s == Status{ECANCELED}) return Status{ECANCELED};  // the next one tells
  const std::uint64_t now = losses_.count();
  const Status lost = losses_.since(known_before), before{failed_.exchange(0)};
  known = now;
  return back.failed() ? back : s.failed() ? s : lost.failed() ? lost : before;
}

// Writes nothing back. What it is told of below may be of what others have written.
Status Contents::flush_of_reader(Io& io, const Below& below) noexcept {
  const Status s = flush_below(io, below);
  if (is_told(s)) note_failure(s, "the flush of a reader failed below (%s): the next flush of a writer tells, too");
  return s;
}

void Contents::write_back_all(const Below& below) noexcept {
  if (is_clean()) return;
  const std::uint64_t lost_before = losses_.count();
  Io io(Op::flush, 0, 0);
  const Status back = write_back(io, below, {0, size_});
  if (back.failed()) note_failure(back, "what was written cannot be written below (%s), and its clients have gone");
  const Status s = flush_below(io, below), lost = losses_.since(lost_before);
  if (lost.failed() || s.failed())
    note_failure(s.failed() ? s : lost, "the flush of what was written failed below (%s), and its clients have gone");
}

std::string Contents::write_back_now(const Below& below) {
  const std::uint64_t before = dirty_bytes_, lost_before = losses_.count();
  Io io(Op::flush, 0, 0);
  Status s = has_begun() ? write_back(io, below, {0, size_}) : Status::success();
  if (s.ok()) {
    s = flush_below(io, below);
    if (is_told(s)) note_failure(s, "the flush of what was written failed below (%s): the next one tells, too");
    if (s.ok()) s = losses_.since(lost_before);
  }
  if (s.failed()) throw std::system_error(s.code(), std::generic_category(), "it cannot be written below");
  return std::to_string(before) + " bytes written below\n";
}

// ---- Extents ----

// What is dirty is allocated, whatever lies there below.
Status Contents::extents(Io& io, const Below& below) noexcept {
  const Range all{io.offset(), io.end()}, units = units_around(all);
  if (is_clean()) {
    if (io.has(Flag::nowait) && !below.geometry.flags.has(Flag::nowait)) return Status::would_block();
    return below.next(io);
  }
  if (io.has(Flag::nowait)) return Status::would_block();
  const RangeLock::Hold keep(changing_, units.begin, units.end, RangeLock::Mode::shared);
  if (!keep.held()) return Status{ENOMEM};
  try {
    bool more = true;
    std::uint64_t at = all.begin;
    for (const std::uint64_t number : dirty_blocks(all)) {
      const std::uint64_t begin = number * settings_.block;
      for (Range left = intersection(all, {begin, begin + settings_.block}); !left.empty();) {
        const Range run = intersection(dirty_run({left.begin / unit_ * unit_, units_around(left).end}), left);
        if (run.empty()) break;
        for (const bool dirty : {false, true}) {
          const Range part = dirty ? run : Range{at, run.begin};
          if (part.empty()) continue;
          const Status s = tell_extents(io, below, part, dirty, more);
          // What was told stays true.
          if (s.failed()) return at == all.begin ? s : Status::success();
          at = part.end;
          if (!more || io.has(Flag::req_one)) return Status::success();
        }
        left.begin = run.end;
      }
    }
    if (at == all.end) return Status::success();
    const Status s = tell_extents(io, below, {at, all.end}, false, more);
    return s.failed() && at != all.begin ? Status::success() : s;
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
}

// `more`: whether all of it was told, and more is wanted.
Status Contents::tell_extents(Io& io, const Below& below, Range range, bool dirty, bool& more) noexcept {
  if (dirty) {
    more = io.add_extent(range.length(), Extent::allocated);
    return Status::success();
  }
  std::uint64_t told = 0;
  bool wanted = true;
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    bytes = std::min(bytes, range.length() - told);
    told += bytes;
    wanted = bytes != 0 && io.add_extent(bytes, state);
    return wanted && told != range.length();
  });
  Io one(io, Op::extents, range.begin, range.length(), io.flags());
  one.set_sink(&sink);
  const Status s = below.next(one);
  more = wanted && told == range.length();
  return s;
}

}  // namespace ashlar::caching
