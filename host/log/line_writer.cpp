#include "log/line_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace ashlar::host {
namespace {

// Lines one behind the other. Its memory is taken at once, so that adding a line never asks for any.
class Lines {
 public:
  explicit Lines(LineWriter::Limits limits) {
    text_.reserve(limits.bytes);
    ends_.reserve(limits.lines);
  }
  std::size_t bytes() const { return text_.size(); }
  std::size_t count() const { return ends_.size(); }
  void add(std::string_view line) {
    text_ += line;
    ends_.push_back(text_.size());
  }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(text_).substr(begin, ends_[i] - begin);
  }
  void clear() {
    text_.clear();
    ends_.clear();
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_;
};

// The descriptor, and what it has not taken. [the writer's thread]
class Output {
 public:
  Output(int fd, LineWriter::Missing missing) : fd_(fd), missing_(std::move(missing)) {}

  void put(std::string_view line) {
    if (!tell_missing() || !write_line(line)) ++failed_;
  }
  void put_dropped(std::uint64_t count) {
    dropped_ += count;
    tell_missing();
  }

 private:
  // False when there is something to tell and it cannot be told; it is tried again before the next line.
  bool tell_missing() { return tell(dropped_, 0) && tell(failed_, error_); }

  bool tell(std::uint64_t& count, int error) {
    if (count == 0) return true;
    try {
      if (!write_line(missing_(count, error))) return false;
    } catch (...) {
      return false;  // no memory for the line
    }
    count = 0;
    return true;
  }

  // One write for a line, so that it stays whole beside what others write to the same descriptor.
  bool write_line(std::string_view line) {
    if (cut_ && !write_all("\n")) return false;  // the next line must not go on where a broken one ended
    return write_all(line);
  }

  // Writes all of `text`, and waits as long as that takes.
  bool write_all(std::string_view text) {
    std::size_t written = 0;
    while (written < text.size()) {
      const ssize_t n = ::write(fd_, text.data() + written, text.size() - written);
      if (n > 0) {
        written += static_cast<std::size_t>(n);
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) {
        pollfd writable{.fd = fd_, .events = POLLOUT, .revents = 0};
        ::poll(&writable, 1, -1);
        continue;
      }
      error_ = n < 0 ? errno : EIO;
      cut_ = cut_ || written > 0;
      return false;
    }
    cut_ = false;
    return true;
  }

  int fd_;
  LineWriter::Missing missing_;
  bool cut_ = false;  // the last line that was begun has no end
  std::uint64_t dropped_ = 0, failed_ = 0;
  int error_ = 0;  // the last one
};

}  // namespace

struct LineWriter::Shared {
  Shared(int fd, Missing missing, Limits most)
      : limits(most), queue(most), batch(most), output(fd, std::move(missing)) {}

  bool has_room(std::size_t length, bool important) const {
    const auto part = [&](std::size_t whole) { return important ? whole : whole - whole / 4; };
    return queue.count() < part(limits.lines) && length <= part(limits.bytes) &&
           queue.bytes() <= part(limits.bytes) - length;
  }

  // The thread. Writes what is queued, again and again.
  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      more.wait(lock, [&] { return given_up.load() || taken != added; });
      if (given_up.load()) return;
      std::swap(queue, batch);
      taken = added;
      const std::uint64_t missing = std::exchange(dropped, 0);
      lock.unlock();
      for (std::size_t i = 0; i < batch.count(); ++i) {
        if (given_up.load()) return;
        output.put(batch[i]);
      }
      output.put_dropped(missing);  // they were dropped because the batch filled the queue
      batch.clear();
      lock.lock();
      written = taken;
      progress.notify_all();
    }
  }

  const Limits limits;
  std::mutex mutex;  // never held while anything is written
  std::condition_variable more, progress;
  Lines queue;
  // Numbers of lines, dropped ones among them: handed in, taken by the thread, done with.
  std::uint64_t added = 0, taken = 0, written = 0;
  std::uint64_t dropped = 0;
  std::atomic<bool> given_up{false};
  // The thread's own.
  Lines batch;
  Output output;
};

LineWriter::LineWriter(int fd, Missing missing, Limits limits)
    : shared_(std::make_shared<Shared>(fd, std::move(missing), limits)) {
  // Detached, because a thread in a write that never returns cannot be joined.
  std::thread([shared = shared_] { shared->run(); }).detach();
}

LineWriter::~LineWriter() { give_up(); }

void LineWriter::add(std::string_view line, bool important) noexcept {
  {
    const std::lock_guard lock(shared_->mutex);
    ++shared_->added;
    if (shared_->has_room(line.size(), important)) shared_->queue.add(line);
    else ++shared_->dropped;
  }
  shared_->more.notify_one();
}

bool LineWriter::flush(std::chrono::milliseconds most) noexcept {
  std::unique_lock lock(shared_->mutex);
  const std::uint64_t wanted = shared_->added;
  return shared_->progress.wait_for(lock, most, [&] { return shared_->written >= wanted; });
}

void LineWriter::give_up() noexcept {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->given_up.store(true);
  }
  shared_->more.notify_one();
}

}  // namespace ashlar::host
