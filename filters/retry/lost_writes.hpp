// LostWrites: what of a device's past must not be forgotten when the layers below are opened anew. They forget that a
// flush has failed, and may forget what was written and not flushed; who asks for a flush afterwards has to be told.
#pragma once
#include <ashlar/status.hpp>
#include <atomic>
#include <cstdint>
#include <optional>

// Of a layer, for all its connections: a flush on one covers the writes of all. [any thread]
class Loss {
 public:
  void enter() { ++devices_; }
  // Forgotten when the last connection has gone: who comes then has written nothing yet.
  void leave() {
    if (--devices_ == 0) code_ = 0;
  }
  // The first cause stays. Returns whether this is it.
  bool set(ashlar::Status cause) {
    int none = 0;
    return code_.compare_exchange_strong(none, cause.code());
  }
  // What every flush is answered since writes may have been lost, or success.
  ashlar::Status status() const { return ashlar::Status{code_.load()}; }

 private:
  std::atomic<int> devices_{0};
  std::atomic<int> code_{0};
};

// Of a device. Writes that a reopening comes across are made again: they are not acknowledged yet. [any thread]
class Writes {
 public:
  // When a write without FUA begins; none while a reopening runs: it has to wait.
  std::optional<std::uint64_t> begin() {
    const std::uint64_t seen = reopenings_.load();  // in this order: see begin_reopening()
    if (running_.load() != 0) return std::nullopt;
    ++begun_;
    return seen;
  }
  // When it has ended: whether it counts, as no reopening has begun since begin().
  bool end(std::uint64_t begun_at) {
    ++ended_;
    return reopenings_.load() == begun_at;
  }

  struct Mark {
    std::uint64_t begun;
    bool idle;  // no write was under way
  };
  // Before a flush, and when it has succeeded. One that is sent while writes are under way proves nothing here.
  Mark before_flush() const {
    const std::uint64_t ended = ended_.load(), begun = begun_.load();
    return {begun, begun == ended};
  }
  void flushed(Mark mark) {
    if (mark.idle) clean_ = mark.begun;
  }
  // Whether there may be writes that no flush has covered.
  bool dirty() const { return begun_.load() != clean_.load(); }

  // Around a reopening: the flush before it included.
  void begin_reopening() {
    ++running_;
    ++reopenings_;
  }
  void end_reopening() { --running_; }

 private:
  std::atomic<std::uint64_t> begun_{0}, ended_{0}, clean_{0}, reopenings_{0}, running_{0};
};
