// LineWriter: lines on their way to a descriptor. A thread of its own writes them, so that nobody who logs waits for
// the reader of the log.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace ashlar::host {

class LineWriter {
 public:
  // The most that may be queued; as much again may be with the thread.
  struct Limits {
    std::size_t bytes;
    std::size_t lines;
  };
  // 1 MiB takes about 10 000 lines: what 4096 clients log when they come and go all at once. The bound on lines matters
  // only when they are very short.
  static constexpr Limits usual{.bytes = 1 << 20, .lines = 16384};

  // Makes the line that tells of `count` lines which are missing: there was no room for them (`error` is 0), or writing
  // failed with the errno number `error`. [the writer's thread]
  using Missing = std::function<std::string(std::uint64_t count, int error)>;

  // Writes to `fd`, which stays the caller's and has to stay open. Throws std::system_error when no thread can be had.
  LineWriter(int fd, Missing missing, Limits limits = usual);
  // As give_up(). Waits for nothing.
  ~LineWriter();
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;

  // Queues `line`, which ends with a newline. A line that finds no room is dropped and counted; the last quarter of the
  // room is kept for important lines. Never waits for the descriptor. [any thread]
  void add(std::string_view line, bool important) noexcept;

  // Waits until all lines added before are written, or have failed to be, but at most for `most`. Returns whether they
  // are. [any thread]
  bool flush(std::chrono::milliseconds most) noexcept;

  // Leaves the thread to itself: it begins no further line, and ends when the write that it is in returns, if it ever
  // does. Lines that are not written by now are lost. [any thread]
  void give_up() noexcept;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the thread, which may be the last to need it
};

}  // namespace ashlar::host
