// SyncErrors: the errors of the calls that make data durable, on one descriptor. The kernel tells a descriptor of data
// that it could not write only once: it tells the call that looks first, whoever's data they were. So a call that was
// told nothing has not succeeded yet: another call beside it may have been told instead. The witness knows, or one
// waits for the other calls.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>

#include "wakeup.hpp"
#include "witness.hpp"

namespace ashlar::fileops {

// [any thread]
class SyncErrors {
 public:
  // `witness`: of the descriptor. Where it cannot be opened, calls wait for each other.
  SyncErrors(std::optional<Wait> wait, Witness witness) : wait_(wait), witness_(std::move(witness)) {}

  struct Known {
    int error;   // the first that any call ever met, an errno; 0: none; ENOMEM: there was no memory to wait with
    bool found;  // by this call
  };

  // A syncing call, from before its system call until it is known what has become of it. A request has one at most.
  class Call {
   public:
    explicit Call(SyncErrors& errors) : errors_(errors) { errors_.begin(*this); }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    // Without end(): it was no syncing call after all.
    ~Call() {
      if (under_way_) errors_.leave(*this);
    }
    // Its system call has failed, as data were lost: calls that have not ended yet are told. `error`: errno.
    void failed(int error) { found_ = errors_.remember(error) || found_; }
    // Whether the witness says that no data were lost; false where there is none. What it has been told is remembered.
    bool lost_nothing() { return errors_.lost_nothing(*this); }
    // Its system call has returned. Asks the witness, or waits until all calls that began before now have ended.
    Known end() { return errors_.end(*this); }

   private:
    friend SyncErrors;
    SyncErrors& errors_;
    std::uint64_t number_ = 0;
    bool under_way_ = true;
    bool found_ = false;
    Call* before_ = nullptr;  // of those under way
    Call* after_ = nullptr;
    std::uint64_t last_ = 0;       // the calls up to this one are waited for
    std::optional<Wakeup> woken_;  // of one that waits: done when it need not any more
    Call* behind_ = nullptr;       // of those that wait
  };

  // From now on there is a witness, where one is possible.
  void watch();

  // The first error that any call met, an errno; 0: none. It stays.
  int first() const { return first_.load(std::memory_order_relaxed); }

  // How many calls wait for others to end; for tests.
  std::size_t waiting() const;

 private:
  void begin(Call& call);
  void leave(Call& call);
  Known end(Call& call);
  bool lost_nothing(Call& call);
  bool open_witness_locked();
  bool remember(int error);
  bool remember_locked(int error);
  void leave_locked(Call& call);
  bool has_to_wait(const Call& call) const;
  void wake_locked();

  const std::optional<Wait> wait_;
  mutable std::mutex mutex_;
  Witness witness_;
  std::uint64_t begun_ = 0;        // calls
  std::uint64_t unwitnessed_ = 0;  // so many of them began before the witness was open
  Call* oldest_ = nullptr;         // of those under way, in the order in which they began
  Call* newest_ = nullptr;
  Call* first_waiting_ = nullptr;  // in the order in which their waits end
  Call* last_waiting_ = nullptr;
  std::atomic<int> first_{0};
};

}  // namespace ashlar::fileops
