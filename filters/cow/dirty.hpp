// Dirty: which pages of the map have to be written, for the file does not have them as they are.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

// [any thread; take() by one at a time]
class Dirty {
 public:
  explicit Dirty(std::uint64_t pages) : pages_(pages), states_(std::make_unique<std::atomic<std::uint32_t>[]>(pages)) {}

  // Held while a block of `page` is changed in the map. Others may go by the new state at once, and flush before this
  // thread comes to say that the page is to be written; so it counts as such from before to behind the change.
  class Change {
   public:
    Change(Dirty& dirty, std::uint64_t page) : state_(dirty.states_[page]) { state_ += one_change; }
    ~Change() {
      state_ |= changed;  // also if it was taken meanwhile: then what was written may be from before the change
      state_ -= one_change;
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

   private:
    std::atomic<std::uint32_t>& state_;
  };

  void mark(std::uint64_t page) { states_[page] |= changed; }
  bool has(std::uint64_t page) const { return states_[page] != 0; }
  // It is written as it is from now on.
  void take(std::uint64_t page) { states_[page] &= ~changed; }
  bool any() const {
    return std::any_of(states_.get(), states_.get() + pages_, [](const auto& state) { return state != 0; });
  }

 private:
  // Of the state of a page: the lowest bit says that it was changed, the others count the changes under way.
  static constexpr std::uint32_t changed = 1, one_change = 2;

  const std::uint64_t pages_;
  const std::unique_ptr<std::atomic<std::uint32_t>[]> states_;
};
