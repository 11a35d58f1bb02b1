// Pending: the requests of one connection whose replies have not left yet, and what belongs together of them: a try
// without waiting and its repetition are one request. For the thread that writes.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "events.hpp"
#include "format/layout.hpp"

namespace ashlar::trace {

class Pending {
 public:
  struct One {
    RecordEntry record{};  // without place and connection
    std::vector<std::byte> payload;

   private:
    friend class Pending;
    enum class State : std::uint8_t { free, tried, done, lent_cold };
    State state = State::free;
    std::uint32_t next = none;
  };

  Pending() : heads_(64, none) {}

  void tried(const Asked& asked) { add(asked, One::State::tried); }
  void done(const Asked& asked, std::span<const std::byte> payload);
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

  std::vector<One> ones_;
  std::vector<std::uint32_t> heads_;  // by the lower bits of the id: lists through ones_, the oldest one first
  std::uint32_t free_ = none;
  std::size_t used_ = 0;
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
    *link = one.next;
    if (one.state != One::State::tried) ready(one);
    one.state = One::State::free;
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
        if (sent.told_nothing != 0) one.record.marks |= mark_told_nothing;
        else one.record.sent = std::max(sent.time, one.record.done);
        ready(one);
      });
}

template <class Ready>
void Pending::give_up(std::uint64_t time, Ready&& ready) {
  if (used_ == 0) return;
  for (std::uint32_t& list : heads_)
    take(
        list, [time](const One& one) { return time == UINT64_MAX || one.record.done < time; }, ready);
}

}  // namespace ashlar::trace
