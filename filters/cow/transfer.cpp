// Overlay's ways between base and store: blocks that are written for the first time, and those that go back.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "overlay.hpp"

using namespace ashlar;

namespace {

// Memory for what is on its way. Who holds it waits for the layers below and the store, and for nobody else.
class Buffer {
 public:
  Buffer(fileops::ByteLimit& limit, const Base& base, std::uint64_t bytes, Flags nowait = {})
      : share_(limit, base.user, bytes, !nowait.has(Flag::nowait)),
        memory_(share_.held() ? new (std::nothrow) std::byte[bytes] : nullptr),
        failure_(nowait.has(Flag::nowait) ? Status::would_block() : Status{ENOMEM}) {}
  bool failed() const { return memory_ == nullptr; }
  Status failure() const { return failure_; }
  std::byte* get() const { return memory_.get(); }

 private:
  const fileops::ByteLimit::Share share_;
  const std::unique_ptr<std::byte[]> memory_;
  const Status failure_;
};

// What one request of a commit writes at most: blocks that lie together go together.
constexpr std::uint64_t commit_request = 1 << 20;
// A step of it writes so much, or is over after so long, before it lets requests through.
constexpr std::uint64_t commit_step = 8 << 20;
constexpr std::chrono::milliseconds commit_time{100};

void must(Status s, const char* what) {
  if (s.failed()) throw std::system_error(s.code(), std::generic_category(), what);
}

// Holds what marks a verb as running.
class OneVerb {
 public:
  explicit OneVerb(std::atomic<bool>& runs) : runs_(runs) {
    if (runs_.exchange(true)) throw std::runtime_error("a commit or discard is under way");
  }
  ~OneVerb() { runs_ = false; }
  OneVerb(const OneVerb&) = delete;
  OneVerb& operator=(const OneVerb&) = delete;

 private:
  std::atomic<bool>& runs_;
};

}  // namespace

// Reads blocks of the base and keeps them. That they cannot be kept is no error of a read.
Status Overlay::read_kept(const Io& io, const Base& base, std::uint64_t at, std::span<std::byte> into) noexcept {
  while (!into.empty()) {
    const std::uint64_t block = block_of(at), begin = begin_of(block), end = end_of(block);
    const auto part = into.first(std::min<std::uint64_t>(end - at, into.size()));
    const RangeLock::Hold hold(changing_, block, block + 1, RangeLock::Mode::exclusive);
    if (!hold.held()) return Status{ENOMEM};
    const Buffer buffer(on_their_way_, base, settings_.block);
    if (buffer.failed()) return buffer.failure();
    const Where where = map_.at(block);
    const std::span whole(buffer.get(), end - begin);
    Status s;
    if (where == Where::base) s = base.read(io, begin, whole);
    else if (where == Where::overlay) s = store_->read(io, begin, whole);
    else std::memset(whole.data(), 0, whole.size());
    if (s.failed()) return s;
    if (where == Where::base && try_to_reserve(1)) {
      if (store_->write(io, begin, whole).ok()) set_in_store(begin, end);
      else release(1);
    }
    std::memcpy(part.data(), whole.data() + (at - begin), part.size());
    at += part.size();
    into = into.subspan(part.size());
  }
  return Status::success();
}

Status Overlay::read_store(const Io& io, const Base& base, std::uint64_t at, std::span<std::byte> into) noexcept {
  if (!parts_) return store_->read(io, at, into, io.flags() & Flag::nowait);
  constexpr std::size_t at_once = 1 << 20;
  while (!into.empty()) {
    const auto piece = into.first(std::min(into.size(), at_once));
    if (const Status s = read_parts(io, base, at, piece); s.failed()) return s;
    at += piece.size();
    into = into.subspan(piece.size());
  }
  return Status::success();
}

// Each part by itself: what the layers below cannot read may be there in the store.
Status Overlay::read_parts_alone(const Io& io, const Base& base, std::uint64_t at, std::span<std::byte> into) noexcept {
  const Flags nowait = io.flags() & Flag::nowait;
  while (!into.empty()) {
    const auto [where, end] = run_of_parts(at, at + into.size());
    const auto here = into.first(end - at);
    Status s;
    if (is_zero(where)) std::memset(here.data(), 0, here.size());
    else s = where == Where::overlay ? store_->read(io, at, here, nowait) : base.read(io, at, here, nowait);
    if (s.failed()) return s;
    at = end;
    into = into.subspan(here.size());
  }
  return Status::success();
}

// The layers below may be far: they are asked once, from the first to the last part that is missing, and what is in the
// store is laid over it. A part that comes into the store meanwhile is taken from there.
Status Overlay::read_parts(const Io& io, const Base& base, std::uint64_t at, std::span<std::byte> into) noexcept {
  const std::uint64_t begin = at, end = at + into.size();
  const Flags nowait = io.flags() & Flag::nowait;
  std::uint64_t first = end, last = begin;
  for (Run here{Where::base, begin}; here.end != end;) {
    const std::uint64_t from = here.end;
    here = run_of_parts(from, end);
    if (here.where != Where::base) continue;
    first = std::min(first, from);
    last = here.end;
  }
  if (first < last) {
    if (nowait.has(Flag::nowait) && !base.nowait) return Status::would_block();
    const auto missing = into.subspan(first - begin, last - first);
    if (const Status s = base.read(io, first, missing, nowait); s == Status::would_block()) return s;
    else if (s.failed()) return read_parts_alone(io, base, begin, into);
  }
  while (at != end) {
    const auto [where, here_end] = run_of_parts(at, end);
    const auto here = into.subspan(at - begin, here_end - at);
    if (is_zero(where)) std::memset(here.data(), 0, here.size());
    else if (where == Where::overlay)
      if (const Status s = store_->read(io, at, here, nowait); s.failed()) return s;
    at = here_end;
  }
  return Status::success();
}

// A write that may not wait: where one write of the store does it. A second one could block when the first is done.
Status Overlay::write_now(const Io& io, const Base& base) noexcept {
  if (is_in_store(io.offset(), io.end())) return store_->write(io, io.offset(), io.payload(), Flag::nowait);
  const Blocks all = touched(io.offset(), io.end());
  const RangeLock::Hold hold(changing_, all.first, all.last, RangeLock::Mode::exclusive, std::try_to_lock);
  if (!hold.held()) return Status::would_block();
  if (is_in_store(io.offset(), io.end())) return store_->write(io, io.offset(), io.payload(), Flag::nowait);
  if (end_alone(io.offset(), io.end()) == io.end()) return write_alone(io, io.offset(), io.payload(), Flag::nowait);
  if (all.last - all.first != 1 || run(io.offset(), io.end()).end != io.end()) return Status::would_block();
  return compose(io, base, io.offset(), io.payload(), Flag::nowait);
}

// Writes `from` to `at` on, wherever that is.
Status Overlay::put(const Io& io, const Base& base, std::uint64_t at, std::span<const std::byte> from) noexcept {
  const std::uint64_t end = at + from.size();
  if (is_in_store(at, end)) return store_->write(io, at, from);
  const Blocks all = touched(at, end);
  const RangeLock::Hold hold(changing_, all.first, all.last, RangeLock::Mode::exclusive);
  if (!hold.held()) return Status{ENOMEM};
  while (at != end) {
    std::uint64_t next = end_alone(at, end);
    Status s;
    if (next != at) {
      s = write_alone(io, at, from.first(next - at));
    } else if (const Run here = run(at, end); here.where == Where::overlay) {
      next = here.end;
      s = store_->write(io, at, from.first(next - at));
    } else {
      next = std::min(here.end, end_of(block_of(at)));
      s = compose(io, base, at, from.first(next - at));
    }
    if (s.failed()) return s;
    from = from.subspan(next - at);
    at = next;
  }
  return Status::success();
}

// Up to where, of [at, end), what is written consists of whole parts, and, in blocks of zeroes, of whole blocks, so
// that nothing else has to go into the store with it. `at`: it does not even begin so.
std::uint64_t Overlay::end_alone(std::uint64_t at, std::uint64_t end) const {
  const std::uint64_t parts_end = end == size_ ? end : end / part_ * part_;
  if (at % part_ != 0 || parts_end <= at) return at;
  const std::uint64_t first = block_of(at), last = block_of(parts_end - 1);
  const bool cuts_first = at != begin_of(first) && is_zero(map_.at(first));
  const bool cuts_last = parts_end != end_of(last) && is_zero(map_.at(last));
  if (cuts_first) return at;
  return cuts_last ? std::max(at, begin_of(last)) : parts_end;
}

// What end_alone() has found.
Status Overlay::write_alone(const Io& io, std::uint64_t begin, std::span<const std::byte> from, Flags nowait) noexcept {
  const std::uint64_t end = begin + from.size();
  const Blocks blocks = touched(begin, end);
  std::uint64_t more = 0;
  for (std::uint64_t b = blocks.first; b != blocks.last; ++b) more += !takes_room(map_.at(b));
  if (!reserve(more)) return Status::no_space();
  if (const Status s = store_->write(io, begin, from, nowait); s.failed()) {
    release(more);
    return s;
  }
  set_in_store(begin, end);
  return Status::success();
}

// Of the parts that `whole` consists of, from `begin` on, the first and the last one, if [at, end) leaves some of it.
// Two parts are read at once.
Status Overlay::read_edges(const Io& io, const Base& base, std::uint64_t begin, std::span<std::byte> whole,
                           std::uint64_t at, std::uint64_t end, Flags nowait) const noexcept {
  if (whole.size() <= 2 * part_) return base.read(io, begin, whole, nowait);
  if (at != begin)
    if (const Status s = base.read(io, begin, whole.first(part_), nowait); s.failed()) return s;
  const std::uint64_t whole_end = begin + whole.size(), last = (end - 1) / part_ * part_;
  return end == whole_end ? Status::success() : base.read(io, last, whole.subspan(last - begin), nowait);
}

// Writes `from` to `at` on, which lies in one block and touches no part that is in the store, together with what it
// leaves of the parts that it touches. In a block of zeroes it goes together with the whole block, whatever may lie in
// the store from before.
Status Overlay::compose(const Io& io, const Base& base, std::uint64_t at, std::span<const std::byte> from,
                        Flags nowait) noexcept {
  const std::uint64_t block = block_of(at);
  const Where where = map_.at(block);
  const std::uint64_t unit = is_zero(where) ? settings_.block : part_;
  const std::uint64_t begin = at / unit * unit;
  const std::uint64_t end = std::min(end_of(block), begin + (at + from.size() - begin + unit - 1) / unit * unit);
  if (!is_zero(where) && nowait.has(Flag::nowait) && !base.nowait) return Status::would_block();
  const Buffer buffer(on_their_way_, base, end - begin, nowait);
  if (buffer.failed()) return buffer.failure();
  const std::span whole(buffer.get(), end - begin);
  if (is_zero(where)) std::memset(whole.data(), 0, whole.size());
  else if (const Status s = read_edges(io, base, begin, whole, at, at + from.size(), nowait); s.failed()) return s;
  std::memcpy(whole.data() + (at - begin), from.data(), from.size());
  const std::uint64_t more = takes_room(where) ? 0 : 1;
  if (!reserve(more)) return Status::no_space();
  if (const Status s = store_->write(io, begin, whole, nowait); s.failed()) {
    release(more);
    return s;
  }
  set_in_store(begin, end);
  return Status::success();
}

// The parts first: who finds the block in the store looks which of them are there.
void Overlay::set_in_store(std::uint64_t begin, std::uint64_t end) {
  if (parts_) parts_->add(begin / part_, (end - 1) / part_ + 1);
  const Blocks blocks = touched(begin, end);
  for (std::uint64_t b = blocks.first; b != blocks.last; ++b)
    if (map_.at(b) != Where::overlay) set(b, Where::overlay);
}

// By writing, to any range.
Status Overlay::write_zeroes(const Io& io, const Base& base, std::uint64_t at, std::uint64_t end) noexcept {
  static constexpr std::byte zeroes[65536] = {};
  while (at != end) {
    const std::uint64_t next = std::min({end, end_of(block_of(at)), at + sizeof zeroes});
    const std::span part(zeroes, next - at);
    Status s;
    if (!is_zero(map_.at(block_of(at))) || !io.has(Flag::may_trim)) s = put(io, base, at, part);
    if (s.failed()) return s;
    at = next;
  }
  return Status::success();
}

// Zeroes that have room in the store. FAST: only as the file system has it.
Status Overlay::provision(const Io& io, const Base& base, Blocks blocks) noexcept {
  const RangeLock::Hold hold(changing_, blocks.first, blocks.last, RangeLock::Mode::exclusive);
  if (!hold.held()) return Status{ENOMEM};
  std::uint64_t more = 0;
  for (std::uint64_t b = blocks.first; b != blocks.last; ++b) more += !takes_room(map_.at(b));
  if (!reserve(more)) return Status::no_space();
  const std::uint64_t begin = begin_of(blocks.first), end = end_of(blocks.last - 1);
  Status s = store_->zero(begin, end - begin, io.flags() & Flag::fast);
  if (s.failed()) release(more);
  if (s != Status::not_supported() || io.has(Flag::fast)) {
    if (s.ok())
      for (std::uint64_t b = blocks.first; b != blocks.last; ++b) set(b, Where::reserved);
    return s;
  }
  for (std::uint64_t b = blocks.first; b != blocks.last; ++b) {
    const Buffer zeroes(on_their_way_, base, settings_.block);
    if (zeroes.failed()) return zeroes.failure();
    std::memset(zeroes.get(), 0, settings_.block);
    const std::uint64_t one = takes_room(map_.at(b)) ? 0 : 1;
    if (!reserve(one)) return Status::no_space();
    s = store_->write(io, begin_of(b), {zeroes.get(), end_of(b) - begin_of(b)});
    if (s.failed()) {
      release(one);
      return s;
    }
    set_in_store(begin_of(b), end_of(b));
  }
  return Status::success();
}

// Room in the store is given back where the file system can.
Status Overlay::make_holes(Blocks blocks) noexcept {
  const RangeLock::Hold hold(changing_, blocks.first, blocks.last, RangeLock::Mode::exclusive);
  if (!hold.held()) return Status{ENOMEM};
  for (std::uint64_t b = blocks.first; b != blocks.last;) {
    const auto [where, end] = map_.run(b, blocks.last);
    if (where != Where::hole)
      for (std::uint64_t i = b; i != end; ++i) set(i, Where::hole);
    if (takes_room(where)) {
      static_cast<void>(store_->zero(begin_of(b), end_of(end - 1) - begin_of(b), Flag::may_trim));
      release(end - b);
    }
    b = end;
  }
  return Status::success();
}

std::string Overlay::status() {
  const std::uint64_t used = used_ * settings_.block;
  std::string text = "size " + std::to_string(size_) + "\nblock_size " + std::to_string(settings_.block) +
                     "\nallocated " + std::to_string(used) + "\n";
  if (settings_.max_bytes != UINT64_MAX) text += "max_size " + std::to_string(settings_.max_bytes) + "\n";
  if (!settings_.path.empty()) text += "path " + settings_.path + "\n";
  if (has_begun() && !settings_.path.empty() && header().state == Header::State::committing)
    text += "commit unfinished\n";
  return text;
}

// All blocks are in the base again. The header says so first, so that a discard which is broken off is finished at the
// next start, or by the next flush. A flush that comes meanwhile waits: it would take that off the header before the
// pages of the map are even told to be changed. `header`: as it is to be, but for its state.
void Overlay::forget_all(Header header) {
  if (store_->is_kept()) {
    const Persisting persisting(*this);
    header.state = Header::State::discarding;
    store_->set_header(header);
    map_.clear();
    release(used_);
    for (std::uint64_t i = 0; i != map_.pages(); ++i) dirty_->mark(i);
    must(persist_alone(), "the overlay cannot be written");
  } else {
    // What was lent of it has to stay what it was: the base is seen in its place now, not zeroes.
    std::shared_ptr<Store> another;
    if (has_lent_) another = Store::temporary(settings_.folder, size_, host_);
    map_.clear();
    if (parts_) parts_->clear();
    release(used_);
    if (another != nullptr) {
      store_ = std::move(another);
      has_lent_ = false;
      return;
    }
  }
  if (size_ != 0) static_cast<void>(store_->zero(0, size_, Flag::may_trim));
}

std::string Overlay::discard(bool force) {
  const OneVerb verb(verb_runs_);
  use();
  begin();
  Header kept = header();
  if (kept.state == Header::State::committing) {
    if (!force)
      throw std::runtime_error(
          "a commit is unfinished, so the base holds a part of what was written: commit again; or discard force, which "
          "leaves the base as it is now");
    kept.fingerprint = 0;
    host_.log(Level::warn, "%s is discarded with a commit unfinished: the base stays changed in part",
              settings_.path.c_str());
  }
  const Gate::Closed closed(gate_);
  const std::uint64_t before = used_;
  forget_all(kept);
  return std::to_string(before * settings_.block) + " bytes discarded\n";
}

// What clients write behind the place where it is stays in the overlay.
std::string Overlay::commit(const Base& base) {
  const OneVerb verb(verb_runs_);
  if (settings_.path.empty())
    throw std::runtime_error(
        "only an overlay with path can be committed: without, a crash would leave the base half changed");
  use();
  begin();
  must(persist(), "the overlay cannot be written");  // also what a discard has left to do
  Header kept = header();
  kept.state = Header::State::committing;
  set_header(kept);
  std::uint64_t done = 0;
  for (std::uint64_t block = 0; block < map_.blocks(); gate_.let_in()) done += commit_some(base, block);
  kept.fingerprint = base.fingerprint();
  kept.state = Header::State::normal;
  set_header(kept);
  const std::uint64_t left = used_ * settings_.block;
  return std::to_string(done) + " bytes committed" +
         (left != 0 ? ", " + std::to_string(left) + " written since then" : "") + "\n";
}

// From `block` on, which it moves. Durable in the base first, then in the map, and then gone from the store. Returns
// how many bytes were written.
std::uint64_t Overlay::commit_some(const Base& base, std::uint64_t& block) {
  if (const Map::Run first = map_.run(block, map_.blocks()); first.where == Where::base) block = first.end;
  if (block == map_.blocks()) return 0;
  const std::uint64_t together = commit_request / settings_.block;
  std::vector<std::byte> buffer(commit_request);
  const Gate::Closed closed(gate_);
  const auto until = std::chrono::steady_clock::now() + commit_time;
  std::vector<Blocks> moved;
  std::uint64_t bytes = 0, room = 0;
  while (block != map_.blocks() && bytes < commit_step && (moved.empty() || std::chrono::steady_clock::now() < until)) {
    const auto [where, end] = map_.run(block, std::min(block + together, map_.blocks()));
    const Blocks blocks{block, end};
    block = end;
    if (where == Where::base) continue;
    commit_blocks(base, where, blocks, buffer);
    bytes += end_of(blocks.last - 1) - begin_of(blocks.first);
    if (takes_room(where)) room += blocks.last - blocks.first;
    moved.push_back(blocks);
  }
  if (const Status s = base.next(Io(Op::flush, 0, 0)); s != Status::not_supported())
    must(s, "the base cannot be flushed");
  for (const Blocks& blocks : moved)
    for (std::uint64_t b = blocks.first; b != blocks.last; ++b) set(b, Where::base);
  release(room);
  must(persist(), "the overlay cannot be written");
  for (const Blocks& blocks : moved)
    static_cast<void>(
        store_->zero(begin_of(blocks.first), end_of(blocks.last - 1) - begin_of(blocks.first), Flag::may_trim));
  return bytes;
}

// Blocks that all are at one place. What the base cannot zero is written.
void Overlay::commit_blocks(const Base& base, Where where, Blocks blocks, std::span<std::byte> buffer) {
  const std::uint64_t begin = begin_of(blocks.first), end = end_of(blocks.last - 1);
  if (is_zero(where)) {
    const Status s = base.next(Io(Op::zero, begin, end - begin, Flag::may_trim | base.durable));
    if (s.ok()) return;
    std::ranges::fill(buffer, std::byte{0});
  }
  for (std::uint64_t at = begin; at != end;) {
    const auto part = buffer.first(base.at_most(std::min<std::uint64_t>(buffer.size(), end - at)));
    Io commit = Io::write(at, part, base.durable);
    if (!is_zero(where)) must(store_->read(commit, at, part), "the overlay cannot be read");
    must(base.next(commit), "the base cannot be written");
    at += part.size();
  }
}
