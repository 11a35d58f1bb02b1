// Contents: what is kept of a disk, for all that see it: the connections of an export, or one of them.
//
// Who changes bytes of the disk holds their units in `changing_`, alone; who brings bytes from the layer below into the
// cache or back holds them together with others of his kind, so that they stay as they are meanwhile. Who loads blocks
// holds them in `loading_` before, alone: so one request below serves all that want them; who writes them back holds
// them in `writing_back_` before. Reads of what is here hold nothing, and wait for nobody.
//
// contents.cpp has the way of a read, changes.cpp those of write, zero and trim, write_back.cpp what is dirty.
#pragma once
#include <ashlar/metrics.hpp>
#include <ashlar/range_lock.hpp>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "below.hpp"
#include "blocks.hpp"
#include "buffers.hpp"
#include "losses.hpp"
#include "range.hpp"
#include "settings.hpp"
#include "store.hpp"
#include "streams.hpp"

namespace ashlar::caching {

struct Figures {
  explicit Figures(const Metrics& metrics);
  const Counter hits, misses, ahead, written_back, failed;
  const Gauge dirty;
};

class Contents {
 public:
  // Of a disk of `size` bytes whose layer has blocks of `minimum`. `settings` and `figures` outlive it. Throws
  // BadParameter.
  Contents(const Settings& settings, const Figures& figures, std::uint64_t size, std::uint32_t minimum, Host host);
  ~Contents();  // what is dirty still is lost, which the log tells

  std::uint64_t size() const { return size_; }
  // Requests below start and end on it, or at the end of the disk.
  std::uint64_t unit() const { return unit_; }
  // Takes memory, or makes the file; once, before the first request. Throws BadParameter. [any thread]
  void begin();
  bool has_begun() const { return begun_.load(std::memory_order_acquire); }

  // The ops, as in Device. [data]
  Status read(Io& io, const Below& below) noexcept;
  Status cache(Io& io, const Below& below) noexcept;
  Status write(Io& io, const Below& below) noexcept;
  // zero and trim.
  Status clear(Io& io, const Below& below) noexcept;
  // Writes back all that is dirty. Also tells of an earlier failure to do so, once; and of losses() that its connection
  // does not know of yet. `known`: of how many it does.
  Status flush(Io& io, const Below& below, std::atomic<std::uint64_t>& known) noexcept;
  // Of a connection that may not write.
  Status flush_of_reader(Io& io, const Below& below) noexcept;
  Status extents(Io& io, const Below& below) noexcept;
  // How many there are so far. See Losses. [any thread]
  std::uint64_t losses() const noexcept { return losses_.count(); }

  // When nobody will come who could flush: writes back all that is dirty, and flushes. What fails stays, and the next
  // flush tells.
  void write_back_all(const Below& below) noexcept;
  bool is_clean() const { return dirty_bytes_.load() == 0; }

  // The verbs. They throw what is told to who has asked. [control]
  std::string status() const;
  std::string drop();
  std::string write_back_now(const Below& below);
  std::string warm(const Below& below);

 private:
  using Slot = Blocks::Slot;
  using Mask = std::uint64_t;
  // A slot that keeps its block until this is gone.
  class Pin;
  // Room for what a write makes dirty, until this is gone.
  class Room;

  std::uint64_t block_end(std::uint64_t at) const {
    return std::min((at / settings_.block + 1) * settings_.block, size_);
  }
  Range blocks_around(Range r) const { return rounded(r, settings_.block); }
  Range units_around(Range r) const { return rounded(r, unit_); }
  Range rounded(Range r, std::uint64_t to) const {
    const std::uint64_t last = r.end + (to - 1);
    return {r.begin / to * to, std::min(last / to * to, size_)};
  }
  // The units of a block that a range within it touches.
  Mask units_of(Range r) const;
  // Those that lie in it as a whole.
  Mask whole_units_of(Range r) const;
  // The bytes of the run of units that begins with the lowest bit of `mask`, in the block that begins at `begin`.
  Range first_run(Mask mask, std::uint64_t begin) const;

  // Of what is loaded for nobody's read: of more, what comes last would throw out what came first.
  std::uint64_t most_at_once() const { return settings_.bytes / 2; }

  // contents.cpp
  Status read_here(const Io& io, std::uint64_t at, std::span<std::byte> into, Flags flags) noexcept;
  bool is_here(Range within_a_block) noexcept;
  Range missing(Range need) noexcept;
  Range plan(Range need) noexcept;
  Range narrowed(Range window, Range need) noexcept;
  Status load(const Io& io, const Below& below, Range need, std::span<std::byte> into) noexcept;
  Status fetch(const Io& io, const Below& below, Range need, Range window, std::span<std::byte> into) noexcept;
  std::vector<Pin> pin_dirty(Range window);
  std::uint64_t drops() noexcept;
  Status read_window(const Io& io, const Below& below, Range need, Range& window, std::span<std::byte> bytes) noexcept;
  Status settle(const Io& io, Range part, std::span<std::byte> bytes, Range need, std::uint64_t drops) noexcept;
  Status take_kept(const Io& io, const Pin& pin, Range run, std::span<std::byte> into, Range need) noexcept;
  Status load_all(const Io& io, const Below& below, Range range, std::uint64_t most, std::uint64_t& loaded) noexcept;

  // changes.cpp
  Status write_within(const Io& io, const Below& below, Range part) noexcept;
  Status keep(const Io& io, const Below& below, Range part) noexcept;
  Status keep_at_once(const Io& io, const Below& below) noexcept;
  Status fill_edges(const Io& io, const Below& below, const Pin& pin, Range part, Mask edges) noexcept;
  Status through(const Io& io, const Below& below, Range part) noexcept;
  void update(const Io& io, Range part) noexcept;
  void forget(Range units) noexcept;
  template <class Change>
  Status change_below(const Io& io, const Below& below, Range range, Change change) noexcept;
  std::span<const std::byte> payload(const Io& io, Range part) const {
    return io.payload().subspan(part.begin - io.offset(), part.length());
  }

  // What makes a write below durable that a flush covers later, where there is no flush below.
  Flags durability(const Below& below) const {
    const Geometry& g = below.geometry;
    return settings_.back && !g.ops.has(Op::flush) ? g.flags & Flag::fua : Flags{};
  }

  // write_back.cpp
  // Half: so there is always a slot for what is read.
  std::uint64_t most_dirty_blocks() const { return settings_.bytes / settings_.block / 2; }
  std::uint64_t blocks_of(Range r) const { return (r.end - 1) / settings_.block - r.begin / settings_.block + 1; }
  bool may_be_dirty(Range r) const {
    return units_around(r).length() <= settings_.most_dirty && blocks_of(r) <= most_dirty_blocks();
  }
  bool claim(Range part, Room& room) noexcept;
  Status make_room(const Io& io, const Below& below, Range part, Room& room) noexcept;
  Status write_back(const Io& io, const Below& below, Range range) noexcept;
  Status write_back_run(const Io& io, const Below& below, Range range) noexcept;
  Status write_back_held(const Io& io, const Below& below, Range range) noexcept;
  bool is_dirty(Range range) noexcept;
  std::vector<std::uint64_t> dirty_blocks(Range range);
  std::vector<Range> dirty_runs(Range range);
  Range dirty_run(Range range) noexcept;
  Status copy_dirty(const Io& io, Range run, std::span<std::byte> into) noexcept;
  void now_clean(Range run) noexcept;
  void count_dirty() noexcept;
  void note_failure(Status s, const char* what) noexcept;
  Status flush_below(Io& io, const Below& below) noexcept;
  Status tell_extents(Io& io, const Below& below, Range range, bool dirty, bool& more) noexcept;

  const Settings& settings_;
  const Figures& figures_;
  const std::uint64_t size_, unit_;
  const Host host_;
  const Wait wait_;
  std::unique_ptr<Store> store_;
  std::atomic<bool> begun_{false};
  std::mutex begin_mutex_;

  mutable std::mutex mutex_;  // over blocks_; never held over a call below or while bytes are copied
  std::unique_ptr<Blocks> blocks_;
  std::uint64_t drops_ = 0;                               // how often drop() was called
  std::uint64_t claimed_bytes_ = 0, claimed_blocks_ = 0;  // of writes under way that make something dirty
  Streams streams_;
  Buffers buffers_;
  RangeLock loading_, changing_, writing_back_;
  std::atomic<std::uint64_t> dirty_bytes_{0};
  std::atomic<int> failed_{0};  // errno of a write-back of which no flush has told yet
  Losses losses_;
};

class Contents::Pin {
 public:
  Pin() = default;
  // With the mutex held.
  Pin(Contents& of, Slot slot) : of_(&of), slot_(slot) { ++(*of.blocks_)[slot].pins; }
  Pin(Pin&& other) noexcept : of_(std::exchange(other.of_, nullptr)), slot_(other.slot_) {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(of_, other.of_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~Pin() {
    if (of_ == nullptr) return;
    const std::lock_guard lock(of_->mutex_);
    --(*of_->blocks_)[slot_].pins;
  }
  explicit operator bool() const { return of_ != nullptr; }
  Slot slot() const { return slot_; }

 private:
  Contents* of_ = nullptr;
  Slot slot_ = Blocks::none;
};

class Contents::Room {
 public:
  explicit Room(Contents& of) : of_(of) {}
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;
  ~Room() {
    if (blocks_ == 0) return;
    const std::lock_guard lock(of_.mutex_);
    of_.claimed_bytes_ -= bytes_;
    of_.claimed_blocks_ -= blocks_;
  }

 private:
  friend class Contents;
  Contents& of_;
  std::uint64_t bytes_ = 0, blocks_ = 0;
};

}  // namespace ashlar::caching
