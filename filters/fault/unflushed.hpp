// Unflushed: what was written and has not been flushed, as a disk's volatile cache has it.
#pragma once
#include <ashlar/ops.hpp>
#include <ashlar/wait.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

namespace ashlar::fault {

// Pieces that do not overlap, by where they begin. [any thread; clear(): while nobody else is at it]
class Unflushed {
 public:
  // Of one write, or what is left of it.
  struct Piece {
    std::uint64_t length = 0;
    std::shared_ptr<const std::vector<std::byte>> written;  // the bytes of the write; none: zeroes. Never null
    std::uint64_t skip = 0;                                 // those of them that come before the piece
    bool may_trim = false;                                  // zeroes that may become a hole
    bool zero() const { return written->empty(); }
    std::span<const std::byte> bytes() const { return std::span(*written).subspan(skip, length); }
  };
  struct Placed {
    std::uint64_t offset;
    Piece piece;
    std::uint64_t end() const { return offset + piece.length; }
  };

  explicit Unflushed(const Wait& wait) : wait_(wait) {}

  // A piece that is not here yet. Throw std::bad_alloc.
  static Piece piece_of(std::span<const std::byte> bytes);
  static Piece zeroes(std::uint64_t length, bool may_trim);

  // It takes the place of what was there. Throws std::bad_alloc, and nothing has changed.
  void put(std::uint64_t offset, const Piece& piece);
  // Puts what is here over `into`, the bytes of the layer below at `offset`.
  struct Patched {
    bool all = false;              // of them were here
    std::uint64_t generation = 0;  // another one: something has gone below since
  };
  Patched patch(std::uint64_t offset, std::span<std::byte> into) const;
  // What is at `offset`, and for how many bytes, up to `length`.
  struct Found {
    std::uint64_t length = 0;
    std::optional<ExtentState> state;  // none: nothing is here
  };
  Found find(std::uint64_t offset, std::uint64_t length) const;
  // Whether a byte of that range is here, or on its way below.
  bool has_some(std::uint64_t offset, std::uint64_t length) const;
  // Returns how many bytes of the disk are gone.
  std::uint64_t clear();
  // Bytes of memory, roughly.
  std::uint64_t memory() const;

  // What somebody writes below. Of batches that have different bytes for one place the later one waits for the earlier:
  // so what is older never comes over what is newer.
  class Batch {
   public:
    // All that is here. It waits, as does the other. Throws std::bad_alloc.
    explicit Batch(Unflushed& of);
    // Puts the piece, and takes it alone.
    Batch(Unflushed& of, std::uint64_t offset, const Piece& piece);
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    const std::vector<Placed>& pieces() const { return pieces_; }
    // It is below now: what has not been written over since is not here any more.
    void written(const Placed& one) noexcept;

   private:
    friend class Unflushed;
    void enter();  // with the mutex held
    void wait();
    Unflushed& of_;
    std::vector<Placed> pieces_;  // by where they begin
    unsigned in_the_way_ = 0;     // batches that came before and conflict
    std::optional<Wait::Ticket> ready_;
    std::list<Batch*>::iterator place_;
  };

 private:
  static constexpr std::uint64_t overhead = 128;  // of a piece
  using Pieces = std::map<std::uint64_t, Piece>;

  static std::uint64_t memory_of(const Piece& piece) { return (piece.zero() ? 0 : piece.length) + overhead; }
  static bool conflict(const Batch& a, const Batch& b);
  // With the mutex held.
  void put_piece(std::uint64_t offset, const Piece& piece);
  void split_at(std::uint64_t offset);
  Pieces::iterator erase_one(Pieces::iterator piece);

  const Wait wait_;
  mutable std::mutex mutex_;
  Pieces pieces_;
  std::uint64_t memory_ = 0, generation_ = 0;
  std::list<Batch*> batches_;  // in the order of their coming
};

}  // namespace ashlar::fault
