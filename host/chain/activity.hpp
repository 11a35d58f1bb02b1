// Activity: what threads are doing inside modules at present, so that a server which cannot wait any longer for a
// module can say which one, and in what.
#pragma once
#include <ashlar/abi.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "chain/cancellation.hpp"

namespace ashlar::host {

// A layer of an export, as the log names it.
struct LayerName {
  std::string exported;  // the name of the export
  std::string layer;     // kind and type: filter "log"
  friend auto operator<=>(const LayerName&, const LayerName&) = default;
};

// What is done inside a module: one of the ops, numbered as in abi.h, or a step in a layer's life.
enum class Call : std::uint32_t {
  load = 64,
  create,
  open,
  describe,
  replied,
  close,
  destroy,
  unload,
  verb,
  list,
  begin
};
const char* name(Call call);

// Nothing is created or opened any more, because the server stops.
class Stopped : public std::runtime_error {
 public:
  Stopped() : std::runtime_error("the server stops") {}
};

class Activity;

// What one thread does inside modules. Written by that thread alone; read by Activity at any time, so that everything
// in it is atomic. While a thread is inside, it has one call under way at a time, in the layer that the call has
// reached.
class Note {
 public:
  // A request that must not block enters the top layer. Does not ask the clock, which would cost more than all the
  // rest.
  void enter(const LayerName& layer, const ashlar_io& io) {
    reach(layer, io);
    turn();
  }
  // It reaches another layer.
  void reach(const LayerName& layer, const ashlar_io& io) {
    write({&layer, static_cast<Call>(io.op), io.offset, io.length});
  }
  // It is done.
  void leave() { turn(); }
  // What may cancel the call that may block; null: nothing. [the note's thread]
  Cancellation* cancellation() const { return cancellation_; }

 private:
  friend class Activity;
  friend class Inside;

  struct Doing {
    const LayerName* layer = nullptr;
    Call call{};
    std::uint64_t offset = 0, length = 0;
  };
  void write(const Doing& doing) {
    layer_.store(doing.layer, std::memory_order_relaxed);
    call_.store(doing.call, std::memory_order_relaxed);
    offset_.store(doing.offset, std::memory_order_relaxed);
    length_.store(doing.length, std::memory_order_relaxed);
  }
  Doing read() const {
    return {layer_.load(std::memory_order_relaxed), call_.load(std::memory_order_relaxed),
            offset_.load(std::memory_order_relaxed), length_.load(std::memory_order_relaxed)};
  }
  void turn() { turns_.store(turns_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
  bool inside() const { return turns_.load(std::memory_order_acquire) % 2 != 0; }

  std::atomic<const LayerName*> layer_{nullptr};
  std::atomic<Call> call_{};
  std::atomic<std::uint64_t> offset_{0}, length_{0};
  std::atomic<std::uint64_t> turns_{0};  // into modules and out of them: odd while the thread is inside
  std::atomic<std::chrono::steady_clock::rep> since_{0};  // when it went in; 0: it is not known

  Cancellation* cancellation_ = nullptr;

  // The activity's.
  Activity* activity_ = nullptr;
  Note* next_ = nullptr;
  Note* previous_ = nullptr;
  std::uint64_t seen_turn_ = 0;  // the turn of the call that was seen first at seen_at_
  std::chrono::steady_clock::time_point seen_at_;
};

class Activity : public std::enable_shared_from_this<Activity> {
 public:
  // A call that has not returned.
  struct UnderWay {
    std::string exported, layer, call;
    std::uint64_t offset = 0, length = 0;  // bytes; length 0: the call has no range
    std::chrono::milliseconds time{0};     // since it went into the top layer
    bool at_least = false;                 // it may be older than `time`
  };

  // Always owned by a shared_ptr: threads that have been in a module keep it as long as they live.
  static std::shared_ptr<Activity> make() { return std::shared_ptr<Activity>(new Activity); }
  Activity(const Activity&) = delete;
  Activity& operator=(const Activity&) = delete;

  // `layer`, for notes to point to while a thread is inside it. [any thread]
  std::shared_ptr<const LayerName> keep(LayerName layer);
  // The calling thread's note. [any thread]
  Note& note();

  // The calls that are inside modules, in no order. Of requests that must not block only that is known how long they
  // have been seen here: since this was called first while they were under way. [any thread]
  std::vector<UnderWay> under_way();

  // From now on create and open are not called any more, see check(), and what stopping() may cancel is cancelled. [any
  // thread]
  void stop() { stopped_.store(true, std::memory_order_relaxed); }
  bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
  // Cancels calls that no client waits for.
  Cancellation& stopping() { return stopping_; }
  // Before a create or open. Throws Stopped. [any thread]
  void check() const {
    if (stopped()) throw Stopped();
  }

 private:
  friend class FiberNote;
  class OfThread;
  Activity() = default;
  Note& enlist();
  void enlist(Note& note);
  void strike(Note& note);

  std::mutex mutex_;
  Note* first_ = nullptr;  // of all threads that have been in a module
  std::atomic<bool> stopped_{false};
  Cancellation stopping_{[this] { return stopped(); }};
};

// `call` as a line of the log: export "disk": filter "log": read, offset 0, length 4096: under way for 4.5 s
std::string describe(const Activity::UnderWay& call);
// Lines of the log for all `calls`: of those of one kind, in one layer, the oldest is described and the others are
// counted, as a thousand may wait for one disk.
std::vector<std::string> describe(std::vector<Activity::UnderWay> calls);

// While it lives, the calling thread is inside a layer, in a call that may block. May stand within another one, whose
// cancellation it has then.
class Inside {
 public:
  using Clock = std::chrono::steady_clock;

  // `since`: when it went in; nothing: now.
  Inside(Activity& activity, const LayerName& layer, Call call, std::uint64_t offset = 0, std::uint64_t length = 0,
         std::optional<Clock::time_point> since = {}, Cancellation* cancellation = nullptr);
  Inside(Activity& activity, const LayerName& layer, const ashlar_io& io, Cancellation* cancellation = nullptr)
      : Inside(activity, layer, static_cast<Call>(io.op), io.offset, io.length, {}, cancellation) {}
  // A step in a layer's life that `cancellation` may cancel.
  Inside(Activity& activity, const LayerName& layer, Call call, Cancellation* cancellation)
      : Inside(activity, layer, call, 0, 0, {}, cancellation) {}
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  Note& note_;
  const Note::Doing before_;
  const bool outermost_;
};

namespace detail {
// The calling thread's note; null until it has been in a module. In the program itself a thread finds it with one
// instruction.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local Note* this_threads_note;
}  // namespace detail

// The note of a fiber (fiber/fiber.hpp), which stands for its thread's own while the fiber runs.
class FiberNote {
 public:
  explicit FiberNote(std::shared_ptr<Activity> activity);
  ~FiberNote();  // it is not the thread's
  FiberNote(const FiberNote&) = delete;
  FiberNote& operator=(const FiberNote&) = delete;

  // Puts it in the place of the calling thread's, or that one back. [the fiber's thread]
  void exchange() { std::swap(detail::this_threads_note, other_); }

 private:
  const std::shared_ptr<Activity> activity_;
  Note note_;
  Note* other_ = &note_;
};

inline Note& Activity::note() {
  Note* note = detail::this_threads_note;
  return note != nullptr && note->activity_ == this ? *note : enlist();
}

}  // namespace ashlar::host
