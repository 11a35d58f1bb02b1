// Pending: the requests of one connection whose replies have not left yet, and what belongs together of them: a try
// without waiting and its repetition are one request. For the thread that writes.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "events.hpp"
#include "format/layout.hpp"
#include "replies.hpp"

namespace ashlar::trace {

// The reply to it left at `time`; 0: the client was told nothing.
inline void set_sent(RecordEntry& record, std::uint64_t time) {
  if (time == 0) record.marks |= mark_told_nothing;
  else record.sent = std::max(time, record.done);
}

class Pending {
 public:
  struct One {
    RecordEntry record{};  // without place and connection
    std::vector<std::byte> payload;

   private:
    friend class Pending;
    enum class State : std::uint8_t { free, tried, done, lent_cold };
    State state = State::free;
    bool left = false;  // its reply has
    std::uint32_t next = none;
  };

  Pending() : heads_(64, none) {}

  // As it is known now: what was tried and has not been repeated is under way, too.
  RecordEntry record_of(const Asked& asked) const;

  void tried(const Asked& asked) { add(asked, One::State::tried); }
  // `sent`: if its reply has left, when; it is for take_left() then.
  void done(const Asked& asked, std::span<const std::byte> payload, std::optional<std::uint64_t> sent = std::nullopt);
  // Whether something is pending that `asked` repeats.
  bool repeats(const Asked& asked) { return used_ != 0 && first_try_of(asked) != nullptr; }
  // Remembers whose replies have left: they are for take_left().
  void look_at(const Replies& replies);
  // Calls `ready(One&)` for each record of those, and forgets them.
  template <class Ready>
  void take_left(Ready&& ready);
  // Calls `ready(One&)` for each record of the request, oldest first, and forgets them.
  template <class Ready>
  void sent(const Sent& sent, Ready&& ready);
  // Likewise for those that were done before `time`, as if their replies had left unseen; UINT64_MAX: for all.
  template <class Ready>
  void give_up(std::uint64_t time, Ready&& ready);

  std::size_t size() const { return used_; }

 private:
  static constexpr std::uint32_t none = UINT32_MAX;
  static constexpr std::size_t kept_capacity = 64 << 10;  // bytes of memory for the payload of requests to come

  std::uint32_t& head(std::uint64_t id) { return heads_[id & (heads_.size() - 1)]; }
  One& add(const Asked& asked, One::State state);
  One* first_try_of(const Asked& asked);
  void append(std::uint32_t at);
  void grow();
  // Takes those of a list out that `wanted` says, and gives what is done to `ready`.
  template <class Wanted, class Ready>
  void take(std::uint32_t& head, Wanted&& wanted, Ready&& ready);
  template <class Wanted, class Ready>
  void take_all(Wanted&& wanted, Ready&& ready);

  std::vector<One> ones_;
  std::vector<std::uint32_t> heads_;  // by the lower bits of the id: lists through ones_, the oldest one first
  std::uint32_t free_ = none;
  std::size_t used_ = 0;
  std::uint32_t tried_ = 0;  // those whose repetition has not been done
};

template <class Wanted, class Ready>
void Pending::take(std::uint32_t& head, Wanted&& wanted, Ready&& ready) {
  for (std::uint32_t* link = &head; *link != none;) {
    const std::uint32_t at = *link;
    One& one = ones_[at];
    if (!wanted(one)) {
      link = &one.next;
      continue;
    }
    // First, as it may throw: what has no record then stays here, to be counted.
    if (one.state != One::State::tried) ready(one);
    else --tried_;
    *link = one.next;
    one.state = One::State::free;
    one.left = false;
    if (one.payload.capacity() > kept_capacity) one.payload = {};
    one.payload.clear();
    one.next = free_;
    free_ = at;
    --used_;
  }
}

template <class Ready>
void Pending::sent(const Sent& sent, Ready&& ready) {
  take(
      head(sent.id), [&](const One& one) { return one.record.id == sent.id; },
      [&](One& one) {
        set_sent(one.record, sent.time);
        ready(one);
      });
}

template <class Wanted, class Ready>
void Pending::take_all(Wanted&& wanted, Ready&& ready) {
  if (used_ == 0) return;
  for (std::uint32_t& list : heads_) take(list, wanted, ready);
}

template <class Ready>
void Pending::take_left(Ready&& ready) {
  take_all([](const One& one) { return one.left; }, ready);
}

template <class Ready>
void Pending::give_up(std::uint64_t time, Ready&& ready) {
  take_all([time](const One& one) { return time == UINT64_MAX || one.record.done < time; }, ready);
}

}  // namespace ashlar::trace
