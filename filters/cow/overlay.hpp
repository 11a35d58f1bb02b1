// Overlay: what has been written over a base, for all that see it: the connections of an export, or one of them.
//
// Who writes to a block that is not in the store yet holds it in `changing_`, and the others who would change where it
// is wait. A block in the store is written where it is, beside anybody. Reads never wait for writes. Who moves blocks
// from the store to the base has to be alone, and closes `gate_`.
//
// A store that is kept has a block as a whole, for its map says no more. One that is not may have some parts of it,
// which `parts_` tells, so that to write a part of a block copies no more than the edges of that part. `parts_` says
// something about blocks in the store alone. What it says of one is not taken back when the block is zeroed or trimmed:
// from there it comes into the store only as a whole, with all its parts.
#pragma once
#include <algorithm>
#include <ashlar/metrics.hpp>
#include <ashlar/range_lock.hpp>
#include <atomic>
#include <fileops/byte_limit.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alone.hpp"
#include "base.hpp"
#include "dirty.hpp"
#include "gate.hpp"
#include "lent.hpp"
#include "map.hpp"
#include "parts.hpp"
#include "store.hpp"

struct Settings {
  std::uint64_t block = 65536;  // bytes, a power of two
  std::uint64_t max_bytes = UINT64_MAX;
  bool on_read = false;
  std::string folder;  // of a store without a name
  std::string path;    // of one that is kept; empty: there is none
};

// Of all overlays of a layer together.
struct Figures {
  explicit Figures(const ashlar::Metrics& metrics);
  const ashlar::Gauge allocated;
  const ashlar::Counter full;
};

class Overlay {
 public:
  // Over a base of `size` bytes and blocks of `minimum` bytes. `settings`, `figures` and `on_their_way`, what requests
  // have in buffers, outlive it. Throws std::system_error, BadParameter.
  Overlay(const Settings& settings, const Figures& figures, ashlar::fileops::ByteLimit& on_their_way,
          std::uint64_t size, std::uint64_t minimum, std::uint64_t fingerprint, ashlar::Host host);

  // Flushes what is kept. If the process is ended meanwhile, what was written is there at the next start all the same,
  // unless the machine has gone down. Removes a file that begin() has made, if nobody has used it.
  ~Overlay();
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  std::uint64_t size() const { return size_; }
  // A base with larger blocks could not be read where parts begin and end.
  std::uint64_t part() const { return part_; }
  // Throws BadParameter when `path` holds an overlay of another base; changes nothing.
  void check_kept() const;
  // Opens the store, or makes it, and reads its map; once, before the first request. Throws BadParameter. [any thread]
  void begin();
  // As begin(), to be read alone: of a kept one that is there, as it is, also while another has it. Changes nothing.
  void begin_to_look();
  bool has_begun() const { return begun_.load(std::memory_order_acquire); }
  // Whether begin() would find a file, rather than make one.
  bool is_there() const noexcept { return !settings_.path.empty() && Store::is_there(settings_.path); }
  // A client or a verb has come: what begin() makes, or has made, stays.
  void use() noexcept { used_by_some_ = true; }
  // A client leaves.
  void leave() noexcept;

  // The ops, as in Device. `lent`: of the device. [data]
  ashlar::Status read(ashlar::Io& io, const Base& base, bool may_keep, Lent& lent) noexcept;
  ashlar::Status write(ashlar::Io& io, const Base& base) noexcept;
  ashlar::Status zero(ashlar::Io& io, const Base& base) noexcept;
  ashlar::Status trim(ashlar::Io& io) noexcept;
  ashlar::Status flush(ashlar::Io& io) noexcept;
  ashlar::Status extents(ashlar::Io& io, const Base& base, bool base_tells) noexcept;

  // The verbs. They throw what is told to who has asked; one of them runs at a time. [control]
  std::string status();
  // `force`: also what a commit that was broken off has not written yet.
  std::string discard(bool force);
  std::string commit(const Base& base);

 private:
  struct Blocks {
    std::uint64_t first, last;  // the last is not among them
    bool empty() const { return first >= last; }
  };
  std::uint64_t block_of(std::uint64_t offset) const { return offset / settings_.block; }
  std::uint64_t begin_of(std::uint64_t block) const { return block * settings_.block; }
  std::uint64_t end_of(std::uint64_t block) const { return std::min((block + 1) * settings_.block, size_); }
  Blocks touched(std::uint64_t begin, std::uint64_t end) const { return {block_of(begin), block_of(end - 1) + 1}; }
  // Those that lie within [begin, end) as a whole.
  Blocks whole(std::uint64_t begin, std::uint64_t end) const {
    return {block_of(begin + settings_.block - 1), end == size_ ? map_.blocks() : block_of(end)};
  }
  struct Run {
    Where where;
    std::uint64_t end;  // bytes
  };
  // Where the byte at `at` is, and the first one behind it, up to `end`, that is elsewhere.
  Run run(std::uint64_t at, std::uint64_t end) const;
  // Likewise, or less: up to where the state of a block, or whether a part is there, changes.
  Run run_of_parts(std::uint64_t at, std::uint64_t end) const;
  // Likewise, of blocks as a whole: those that are there in part alone are there.
  Run run_of_blocks(std::uint64_t at, std::uint64_t end) const;
  bool is_in_store(std::uint64_t begin, std::uint64_t end) const {
    const Run here = run(begin, end);
    return here.where == Where::overlay && here.end == end;
  }

  // overlay.cpp
  ashlar::Status refused(const ashlar::Io& io) const {
    return io.has(ashlar::Flag::nowait) ? ashlar::Status::would_block() : ashlar::Status{ECANCELED};
  }
  void set(std::uint64_t block, Where where);
  std::uint64_t most_blocks() const { return settings_.max_bytes / settings_.block; }
  bool has_room() const { return used_ < most_blocks(); }
  bool lend(ashlar::Io& io, Lent& lent) noexcept;
  bool try_to_reserve(std::uint64_t blocks) noexcept;
  bool reserve(std::uint64_t blocks) noexcept;
  void release(std::uint64_t blocks) noexcept {
    used_ -= blocks;
    figures_.allocated.add(-static_cast<double>(blocks * settings_.block));
  }
  // Holds persisting_, and behind that does what a client that has left meanwhile could not do.
  class Persisting {
   public:
    explicit Persisting(Overlay& overlay) : overlay_(overlay), alone_(std::in_place, overlay.persisting_) {}
    ~Persisting() {
      alone_.reset();
      overlay_.write_tail_that_is_due();
    }
    Persisting(const Persisting&) = delete;
    Persisting& operator=(const Persisting&) = delete;

   private:
    Overlay& overlay_;
    std::optional<Alone> alone_;
  };
  ashlar::Status persist() noexcept;
  ashlar::Status persist_alone() noexcept;  // holding persisting_
  ashlar::Status persist_pages(std::vector<std::uint64_t>& pages);
  ashlar::Status flush_store() noexcept;
  void settle_header();
  bool is_persisted() const noexcept;
  void write_tail() noexcept;  // holding persisting_
  void write_tail_that_is_due() noexcept;
  void take_tail();
  Header header();
  void set_header(const Header& header);
  template <class Open>
  void begin_with(Open open);
  void read_map();
  bool read_tail();
  void load();

  // transfer.cpp: between base and store
  ashlar::Status read_kept(const ashlar::Io& io, const Base& base, std::uint64_t at,
                           std::span<std::byte> into) noexcept;
  ashlar::Status read_store(const ashlar::Io& io, const Base& base, std::uint64_t at,
                            std::span<std::byte> into) noexcept;
  ashlar::Status read_parts(const ashlar::Io& io, const Base& base, std::uint64_t at,
                            std::span<std::byte> into) noexcept;
  ashlar::Status read_parts_alone(const ashlar::Io& io, const Base& base, std::uint64_t at,
                                  std::span<std::byte> into) noexcept;
  ashlar::Status write_now(const ashlar::Io& io, const Base& base) noexcept;
  ashlar::Status put(const ashlar::Io& io, const Base& base, std::uint64_t at,
                     std::span<const std::byte> from) noexcept;
  std::uint64_t end_alone(std::uint64_t at, std::uint64_t end) const;
  ashlar::Status write_alone(const ashlar::Io& io, std::uint64_t begin, std::span<const std::byte> from,
                             ashlar::Flags nowait = {}) noexcept;
  ashlar::Status read_edges(const ashlar::Io& io, const Base& base, std::uint64_t begin, std::span<std::byte> whole,
                            std::uint64_t at, std::uint64_t end, ashlar::Flags nowait) const noexcept;
  ashlar::Status compose(const ashlar::Io& io, const Base& base, std::uint64_t at, std::span<const std::byte> from,
                         ashlar::Flags nowait = {}) noexcept;
  void set_in_store(std::uint64_t begin, std::uint64_t end);
  ashlar::Status write_zeroes(const ashlar::Io& io, const Base& base, std::uint64_t at, std::uint64_t end) noexcept;
  ashlar::Status provision(const ashlar::Io& io, const Base& base, Blocks blocks) noexcept;
  ashlar::Status make_holes(Blocks blocks) noexcept;
  std::uint64_t commit_some(const Base& base, std::uint64_t& block);
  void commit_blocks(const Base& base, Where where, Blocks blocks, std::span<std::byte> buffer);
  void forget_all(Header header);

  const Settings& settings_;
  const Figures& figures_;
  ashlar::fileops::ByteLimit& on_their_way_;
  const std::uint64_t size_, fingerprint_;
  const std::uint64_t part_;  // bytes: what the store has as a whole, or not at all; a block, or less
  const ashlar::Host host_;
  const ashlar::Wait wait_;
  Map map_;
  std::optional<Parts> parts_;         // where a part is less than a block
  std::shared_ptr<Store> store_;       // another one after a discard, while `gate_` is closed
  std::atomic<bool> has_lent_{false};  // something of store_
  std::atomic<bool> begun_{false}, used_by_some_{false};
  bool has_taken_tail_ = false;  // of a server before
  ashlar::RangeLock beginning_;

  Gate gate_;
  ashlar::RangeLock changing_;            // blocks
  std::atomic<std::uint64_t> used_{0};    // blocks that take room in the store
  std::unique_ptr<Dirty> dirty_;          // of one that is kept
  ashlar::RangeLock persisting_;          // also over the header of the store and its tail, since begin()
  std::atomic<bool> tail_is_due_{false};  // a client has left
  bool has_lost_data_ = false;            // the store could not be made durable
  std::atomic<bool> verb_runs_{false};
};
