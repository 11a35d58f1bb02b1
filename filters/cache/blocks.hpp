// Blocks: which blocks of the disk are kept in which slots, and whose turn it is to go (S3-FIFO).
//
// A block begins in the small queue, a tenth of all. It goes to the main queue when it was asked for again before it
// comes to the small queue's end, or is asked for soon after it has gone; else it goes. So a large copy passes through
// the small queue alone, and what is used stays. Reads only count, and move nothing.
#pragma once
#include <cstdint>
#include <vector>

namespace ashlar::caching {

// [one thread at a time]
class Blocks {
 public:
  using Slot = std::uint32_t;
  static constexpr Slot none = UINT32_MAX;

  struct Block {
    std::uint64_t number = 0;
    std::uint64_t valid = 0;  // a bit for each unit that is here
    std::uint64_t dirty = 0;  // and for each of them that the layer below does not have yet
    std::uint32_t pins = 0;   // calls that use the slot: it keeps its block

   private:
    friend class Blocks;
    enum class Queue : std::uint8_t { unused, small, main };
    Slot hashed = none;               // the next of the same hash
    Slot older = none, newer = none;  // in its queue
    Slot dirty_before = none, dirty_behind = none;
    std::uint32_t read_to = 0;  // where the last read of it ended
    std::uint8_t asked = 0;     // how often it was asked for again
    Queue queue = Queue::unused;
  };

  // Throws std::bad_alloc.
  explicit Blocks(Slot slots);

  Slot slots() const { return static_cast<Slot>(blocks_.size()); }
  // Those in use.
  Slot used() const { return small_.length + main_.length; }
  Block& operator[](Slot slot) { return blocks_[slot]; }

  Slot find(std::uint64_t number) const;
  // A slot for a block that has none; none: all are in use. Another block may go for it: one that is neither dirty nor
  // pinned.
  Slot insert(std::uint64_t number);
  void erase(Slot slot);
  // It was brought for a read up to `end`, in bytes of the block.
  void brought_for(Slot slot, std::uint32_t end) { blocks_[slot].read_to = end; }
  // Bytes [begin, end) of the block were asked for. A read that goes on where the one before ended is the same one.
  void asked(Slot slot, std::uint32_t begin, std::uint32_t end);

  void set_dirty(Slot slot, std::uint64_t units);
  void clear_dirty(Slot slot, std::uint64_t units);
  std::uint64_t dirty_units() const { return dirty_units_; }
  // The block that became dirty first of all; none: there is none. It is the last one from then on.
  Slot oldest_dirty();
  // Each that is dirty. `f`: takes a Slot.
  template <class F>
  void each_dirty(F f) const {
    for (Slot s = dirty_first_; s != none; s = blocks_[s].dirty_behind) f(s);
  }

 private:
  struct Queue {
    Slot oldest = none, newest = none, length = 0;
  };
  // Blocks that have gone lately, as many as the main queue holds. Some are forgotten earlier, or mistaken for others,
  // with a probability of 2^-31.
  class Ghosts {
   public:
    explicit Ghosts(Slot most);
    void add(std::uint64_t number);
    bool take(std::uint64_t number);

   private:
    struct Ghost {
      std::uint32_t print = 0, when = 0;
    };
    Ghost& place(std::uint64_t number);
    const std::uint32_t most_;
    std::uint32_t clock_ = 0;
    std::vector<Ghost> ghosts_;
  };

  Slot& bucket(std::uint64_t number);
  void push(Queue& queue, Slot slot, Block::Queue is);
  void unlink(Slot slot);
  void link_dirty(Slot slot);
  void unlink_dirty(Slot slot);
  bool may_go(const Block& block) const { return block.pins == 0 && block.dirty == 0; }
  bool make_room();
  bool look_at_small();
  bool look_at_main();

  std::vector<Block> blocks_;
  std::vector<Slot> buckets_;  // by hash, a power of two
  std::vector<Slot> free_;
  Queue small_, main_;
  Ghosts ghosts_;
  Slot dirty_first_ = none, dirty_last_ = none;
  std::uint64_t dirty_units_ = 0;
};

}  // namespace ashlar::caching
