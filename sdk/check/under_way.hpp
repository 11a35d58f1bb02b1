// What this thread is in, and what must not be done there.
#pragma once

namespace ashlar::check {

// A request that must not wait.
inline thread_local int within_nowait = 0;
// A request, or open.
inline thread_local int within_process = 0, within_open = 0;
// A sink, which is told extents.
inline thread_local int within_sink = 0;

class Counted {
 public:
  Counted(int& count, bool counts) : count_(count), by_(counts ? 1 : 0) { count_ += by_; }
  ~Counted() { count_ -= by_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int& count_;
  const int by_;
};

class WithinRequest : Counted {
 public:
  explicit WithinRequest(bool nowait) : Counted(within_process, true), nowait_(within_nowait, nowait) {}

 private:
  Counted nowait_;
};

class WithinOpen : Counted {
 public:
  WithinOpen() : Counted(within_open, true) {}
};

class WithinSink : Counted {
 public:
  WithinSink() : Counted(within_sink, true) {}
};

}  // namespace ashlar::check
