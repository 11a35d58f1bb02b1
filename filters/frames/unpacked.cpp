#include "unpacked.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>

namespace ashlar::frames {

namespace {

constexpr std::size_t most_fetched = 65;         // frames by one request, its own among them
constexpr std::uint64_t most_ahead = 8 << 20;    // bytes, unpacked
constexpr std::uint64_t bulk = 1 << 20;          // bytes of a request from which on it is taken for a copy of all
constexpr std::uint64_t most_at_once = 8 << 20;  // bytes, packed, of one read below
constexpr std::uint64_t beside_bytes = 320;      // of a piece, beside those of the frame: Piece and what leads to it

}  // namespace

Figures::Figures(const Metrics& metrics)
    : hits(metrics.counter("frame_hits", "how often a frame was there, unpacked")),
      misses(metrics.counter("frame_misses", "how often a request had to wait for a frame")),
      ahead(metrics.counter("frames_ahead", "frames that were unpacked before they were asked for")),
      whole(metrics.counter("frames_whole", "frames that were unpacked straight into a large request")),
      broken(metrics.counter("frames_broken", "how often a frame could not be unpacked")) {}

Unpacked::Unpacked(Index index, std::uint64_t bytes, Format& format, const Figures& figures, Host host)
    : index_(std::move(index)),
      most_(bytes),
      format_(format),
      figures_(figures),
      host_(host),
      wait_(host),
      known_to_(index_.size()) {}

class Unpacked::Use {
 public:
  explicit Use(Unpacked& of) : of_(of) {}
  ~Use() { end(); }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  const Piece* operator->() const { return piece_.get(); }
  // With the mutex held.
  void begin(const Found& piece) {
    piece_ = piece;
    ++piece_->users;
  }
  void end() {
    if (piece_ != nullptr) of_.let_go(piece_);
    piece_.reset();
  }

 private:
  Unpacked& of_;
  Found piece_;
};

Status Unpacked::read(Io& io, const Below& below) noexcept {
  try {
    const bool nowait = io.has(Flag::nowait);
    for (std::uint64_t at = io.offset(), number = index_.find(at); at != io.end(); ++number) {
      if (const std::uint64_t last = end_of_bulk(io, number); last != number) {
        if (const Status s = read_bulk(io, below, number, last); s.failed()) return s;
        number = last - 1;
        at = index_[number].end();
        continue;
      }
      if (!nowait && wait_.cancelled()) return Status{ECANCELED};
      const Frame& frame = index_[number];
      Use use(*this);
      if (const Status s = get(io, below, number, nowait, use); s.failed()) return s;
      const std::uint64_t end = std::min(frame.end(), io.end());
      std::memcpy(io.buffer().data() + (at - io.offset()), use->bytes.get() + (at - frame.offset), end - at);
      at = end;
    }
    return Status::success();
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  } catch (const std::system_error&) {
    return Status{ENOMEM};  // there can be no thread: EAGAIN, which it is told by, is an answer to nowait alone
  }
}

Status Unpacked::cache(Io& io, const Below& below) noexcept {
  if (io.has(Flag::nowait)) return Status::would_block();
  try {
    std::uint64_t loaded = 0;
    for (std::uint64_t number = index_.find(io.offset());
         number != index_.count() && index_[number].offset < io.end() && loaded < most_ / 2; ++number) {
      if (wait_.cancelled()) return Status{ECANCELED};
      Use use(*this);
      if (const Status s = get(io, below, number, false, use); s.failed()) return s;
      loaded += index_[number].length;
    }
    return Status::success();
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  } catch (const std::system_error&) {
    return Status{ENOMEM};  // there can be no thread: EAGAIN, which it is told by, is an answer to nowait alone
  }
}

// With the mutex held.
void Unpacked::start() {
  if (pool_ == nullptr) pool_ = std::make_unique<Pool>();
}

// The end of the frames from `number` on that a large request wants as a whole, and that are not here: who copies a
// disk will not ask for them again, and they need not go through the cache. `number`: there are none, or one alone,
// which would keep one thread busy: it is better to unpack ahead then.
std::uint64_t Unpacked::end_of_bulk(const Io& io, std::uint64_t number) {
  if (io.length() < bulk || io.has(Flag::nowait) || index_[number].offset < io.offset()) return number;
  const std::lock_guard lock(mutex_);
  start();
  std::uint64_t last = number;
  for (; last != index_.count() && index_[last].end() <= io.end() && !pieces_.contains(last); ++last) {
    // Bytes of no frame may lie between them.
    if (last != number && index_[last].packed_end() - index_[number].from > most_at_once) break;
    if (index_[last].offset >= known_to_) break;
  }
  return last - number < 2 ? number : last;
}

// They are unpacked where their bytes are wanted.
Status Unpacked::read_bulk(const Io& io, const Below& below, std::uint64_t first, std::uint64_t last) {
  const std::uint64_t from = index_[first].from, length = index_[last - 1].packed_end() - from;
  const Buffers::Buffer packed = buffers_.take(length);
  if (packed == nullptr) return Status{ENOMEM};
  if (const Status s = below.read(io, from, {packed.get(), length}); s.failed()) return s;
  figures_.whole.add(static_cast<double>(last - first));
  Wait::Ticket ticket(wait_);
  std::atomic<std::uint64_t> left{last - first};
  std::atomic<int> failed{0};
  for (std::uint64_t number = first; number != last; ++number) {
    const auto job = [&, number] {
      const Frame& frame = index_[number];
      const auto into = io.buffer().subspan(frame.offset - io.offset(), frame.length);
      const Status s = unpack_into(frame, {packed.get() + (frame.from - from), frame.packed}, into);
      if (s.failed()) failed = s.code();
      if (--left == 0) ticket.done();
    };
    try {
      pool_->run(job, true);
    } catch (const std::bad_alloc&) {
      job();
    }
  }
  static_cast<void>(ticket.wait());
  return Status{failed};
}

// The frame, unpacked.
Status Unpacked::get(const Io& io, const Below& below, std::uint64_t number, bool nowait, Use& use) {
  for (bool counted = false;; counted = true) {
    std::vector<Found> to_fetch;
    to_fetch.reserve(most_fetched);
    std::unique_lock lock(mutex_);
    start();
    if (index_[number].offset >= known_to_) return Status::io_error();
    const auto it = pieces_.find(number);
    Found found = it != pieces_.end() ? it->second : nullptr;
    if (nowait && (found == nullptr || !found->ready)) return Status::would_block();
    const bool absent = found == nullptr;
    if (absent) {
      if (!make_room(room_for(number))) {
        wait_for(want_room_, lock);
        continue;
      }
      to_fetch.push_back(found = add(number));
    }
    const Range next = found->wanted ? Range{} : next_ones(number);
    // A worker may do it.
    if (nowait && next.first != next.last) return Status::would_block();
    // Before room is made for the next ones: it may be what was not used for the longest time.
    use.begin(found);
    add_next_ones(next, to_fetch);
    if (!found->wanted) hasten(found);
    found->wanted = true;
    if (found->ready) ages_.splice(ages_.end(), ages_, found->age);
    if (!counted) (found->ready ? figures_.hits : figures_.misses).add();
    lock.unlock();
    if (!to_fetch.empty()) {
      if (const Status s = fetch(io, below, to_fetch, absent); s.failed()) return s;
    }
    lock.lock();
    if (!found->ready) wait_for(found->waiting, lock);
    else lock.unlock();
    if (!found->again) return found->status;
    use.end();
  }
}

void Unpacked::let_go(const Found& piece) noexcept {
  const std::lock_guard lock(mutex_);
  if (--piece->users == 0) wake(want_room_);
}

// Those behind `number` that are not here, if the one before is: then they will be asked for soon. None unless half of
// them are missing, so that one read below gets many. With the mutex held.
Unpacked::Range Unpacked::next_ones(std::uint64_t number) const {
  if (number == 0 || !pieces_.contains(number - 1)) return {};
  const std::uint64_t bytes = std::min(most_ahead, most_ / 4);
  std::uint64_t first = 0, last = number + 1, ahead = 0, missing = 0;
  for (; last < index_.count() && (ahead < bytes || last - number <= pool_->threads()); ++last) {
    const Frame& frame = index_[last];
    if (ahead + frame.length > most_ / 2) break;
    ahead += frame.length;
    if (pieces_.contains(last)) continue;
    if (first == 0) first = last;
    missing += frame.length;
  }
  if (first == 0 || missing * 2 < std::min(ahead, bytes)) return {};
  return {first, last};
}

// As many of them as there is room for. With the mutex held.
void Unpacked::add_next_ones(Range range, std::vector<Found>& to) {
  std::uint64_t packed = 0;
  for (std::uint64_t one = range.first; one != range.last && to.size() != to.capacity(); ++one) {
    packed += index_[one].packed;
    if (pieces_.contains(one) || packed > most_at_once || !make_room(room_for(one))) return;
    try {
      to.push_back(add(one));
    } catch (const std::bad_alloc&) {
      return;
    }
  }
}

// The memory of a piece.
std::uint64_t Unpacked::room_for(std::uint64_t number) const {
  return Buffers::size_for(index_[number].length) + beside_bytes;
}

// With the mutex held.
Unpacked::Found Unpacked::add(std::uint64_t number) {
  auto piece = std::make_shared<Piece>(number);
  pieces_.emplace(number, piece);
  held_ += room_for(number);
  return piece;
}

// Forgets what was not used for the longest time. With the mutex held.
bool Unpacked::make_room(std::uint64_t bytes) {
  for (auto it = ages_.begin(); it != ages_.end() && held_ + bytes > most_;) {
    const auto piece = pieces_.find(*it);
    if (piece->second->users != 0) {
      ++it;
      continue;
    }
    held_ -= room_for(*it);
    pieces_.erase(piece);
    it = ages_.erase(it);
  }
  return held_ + bytes <= most_;
}

// Unlocks.
void Unpacked::wait_for(std::vector<Wait::Ticket*>& list, std::unique_lock<std::mutex>& lock) {
  Wait::Ticket ticket(wait_);
  try {
    list.push_back(&ticket);
  } catch (const std::bad_alloc&) {
    ticket.done();
    throw;
  }
  lock.unlock();
  static_cast<void>(ticket.wait());
}

// Under the mutex: who is woken may be gone as soon as it is free.
void Unpacked::wake(std::vector<Wait::Ticket*>& list) noexcept {
  for (Wait::Ticket* ticket : list) ticket->done();
  list.clear();
}

// Reads the packed bytes of `pieces`, and has them unpacked; `own`: the first of them is what the request wants, and
// comes before all others. Fails when that cannot be read, which is no error of others who wait for it: the layer below
// may have given up the read because this request is cancelled.
Status Unpacked::fetch(const Io& io, const Below& below, std::span<const Found> pieces, bool own) noexcept {
  for (std::size_t first = 0, last = 0; first != pieces.size(); first = last) {
    const std::uint64_t from = index_[pieces[first]->number].from;
    last = first + 1;
    while (last != pieces.size() && index_[pieces[last]->number].packed_end() - from <= most_at_once) ++last;
    Status s = fetch_together(io, below, pieces.subspan(first, last - first), own && first == 0);
    if (s.ok()) continue;
    // What cannot be read ahead is nobody's error.
    const bool alone = own && first == 0 && last != 1 && !wait_.cancelled();
    for (std::size_t i = alone ? 1 : first; i != pieces.size(); ++i) finish(pieces[i], s, true);
    if (alone) {
      s = fetch_together(io, below, pieces.first(1), true);
      if (s.failed()) finish(pieces[0], s, true);
    }
    return own && first == 0 ? s : Status::success();
  }
  return Status::success();
}

// The same by one read below. Has finished none of them if it fails.
Status Unpacked::fetch_together(const Io& io, const Below& below, std::span<const Found> pieces, bool own) noexcept {
  const std::uint64_t from = index_[pieces.front()->number].from;
  const std::uint64_t length = index_[pieces.back()->number].packed_end() - from;
  std::shared_ptr<std::byte[]> packed;
  try {
    packed = buffers_.take(length);
  } catch (const std::bad_alloc&) {
    return Status{ENOMEM};
  }
  if (packed == nullptr) return Status{ENOMEM};
  if (const Status s = below.read(io, from, {packed.get(), length}); s.failed()) return s;
  for (std::size_t i = 0; i != pieces.size(); ++i) hand_out(pieces[i], packed, from, i != 0 || !own);
  return Status::success();
}

void Unpacked::hand_out(const Found& piece, const std::shared_ptr<std::byte[]>& packed, std::uint64_t from,
                        bool ahead) noexcept {
  if (ahead) figures_.ahead.add();
  {
    const std::lock_guard lock(mutex_);
    piece->packed = {packed, packed.get() + (index_[piece->number].from - from)};
    if (piece->users != 0) ahead = false;
  }
  try {
    pool_->run([this, piece] { unpack(piece); }, !ahead);
  } catch (const std::bad_alloc&) {
    unpack(piece);
  }
}

// It waits for its turn behind all that is wanted, and is wanted now. With the mutex held.
void Unpacked::hasten(const Found& piece) noexcept {
  if (piece->packed == nullptr) return;
  try {
    pool_->run([this, piece] { unpack(piece); }, true);
  } catch (const std::bad_alloc&) {  // then it waits
  }
}

// Unless it is done already, or by another thread.
void Unpacked::unpack(const Found& piece) noexcept {
  std::shared_ptr<const std::byte> packed;
  {
    const std::lock_guard lock(mutex_);
    packed.swap(piece->packed);
  }
  if (packed == nullptr) return;
  const Frame& frame = index_[piece->number];
  piece->bytes = buffers_.take(frame.length);
  if (piece->bytes == nullptr) return finish(piece, Status{ENOMEM}, false);
  finish(piece, unpack_into(frame, {packed.get(), frame.packed}, {piece->bytes.get(), frame.length}), false);
}

Status Unpacked::unpack_into(const Frame& frame, std::span<const std::byte> packed,
                             std::span<std::byte> into) noexcept {
  const auto [wrong, other_length] = format_.unpack(frame, packed, into);
  if (wrong == nullptr) return Status::success();
  figures_.broken.add();
  host_.log(Level::error, "the frame at byte %llu (bytes %llu to %llu of the disk) is broken: %s",
            static_cast<unsigned long long>(frame.from), static_cast<unsigned long long>(frame.offset),
            static_cast<unsigned long long>(frame.end()), wrong);
  if (other_length) {
    const std::lock_guard lock(mutex_);
    known_to_ = std::min(known_to_, frame.offset);
  }
  return Status::io_error();
}

// One that has failed is not kept.
void Unpacked::finish(const Found& piece, Status s, bool again) noexcept {
  const std::lock_guard lock(mutex_);
  piece->status = s;
  piece->again = s.failed() && again;
  piece->ready = true;
  if (s.ok()) {
    try {
      piece->age = ages_.insert(ages_.end(), piece->number);
    } catch (const std::bad_alloc&) {
      piece->status = s = Status{ENOMEM};
    }
  }
  if (s.failed()) {
    held_ -= room_for(piece->number);
    pieces_.erase(piece->number);
  }
  wake(piece->waiting);
  wake(want_room_);
}

}  // namespace ashlar::frames
