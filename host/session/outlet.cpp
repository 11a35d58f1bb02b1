#include "session/outlet.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "session/waiter.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t most_parts = 64;  // replies gathered into one send
// Who waits for a worker looks so often whether requests that were put aside can go on.
constexpr std::chrono::milliseconds go_on_every{10};

// Takes the first `bytes` off `parts`.
void drop_front(std::span<iovec>& parts, std::size_t bytes) {
  while (!parts.empty() && bytes >= parts.front().iov_len) {
    bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (bytes == 0) return;
  parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + bytes;
  parts.front().iov_len -= bytes;
}

iovec part_of(std::span<const std::byte> bytes) { return {const_cast<std::byte*>(bytes.data()), bytes.size()}; }

}  // namespace

// While it lives, the session's thread sends.
class Outlet::Timing {
 public:
  explicit Timing(Outlet& outlet) : outlet_(outlet), began_(outlet.start_of_send(From::session)) {}
  ~Timing() {
    if (began_) outlet_.time_of_sending_ += outlet_.clock(From::session) - *began_;
  }
  Timing(const Timing&) = delete;
  Timing& operator=(const Timing&) = delete;

 private:
  Outlet& outlet_;
  const std::optional<Pace::Clock::time_point> began_;
};

// The session's thread is the one that sends: waits until it is, and sends what workers posted meanwhile before it
// ends.
class Outlet::Sending {
 public:
  explicit Sending(Outlet& outlet) : timing_(outlet), outlet_(outlet), lock_(outlet.mutex_) {
    outlet_.wait_for_turn(lock_);
    outlet_.busy_ = true;
    lock_.unlock();
  }
  ~Sending() {
    lock_.lock();
    outlet_.send_all_posted(lock_, From::session);
    outlet_.busy_ = false;
    outlet_.waits_.store(false, std::memory_order_relaxed);
  }

 private:
  const Timing timing_;
  Outlet& outlet_;
  std::unique_lock<std::mutex> lock_;
};

bool Outlet::has_fibers() const { return waiter_ != nullptr && waiter_->fibers_have_work(); }

// Until no worker sends.
void Outlet::wait_for_turn(std::unique_lock<std::mutex>& lock) {
  const auto is_free = [this] { return !busy_; };
  while (has_fibers() && !free_.wait_for(lock, go_on_every, is_free)) {
    lock.unlock();
    waiter_->resume_fibers();
    lock.lock();
  }
  free_.wait(lock, is_free);
}

bool Outlet::send(std::span<const std::byte> bytes) {
  iovec part = part_of(bytes);
  return send({&part, 1});
}

bool Outlet::send(std::span<iovec> parts) {
  const Sending sending(*this);
  const bool left = !broken() && send_all(parts, false);
  if (!left) break_off();
  return left;
}

Outlet::Lent Outlet::send_lent(std::span<const std::byte> header, int fd, std::uint64_t offset, std::size_t length,
                               bool pad) {
  const Sending sending(*this);
  if (broken()) return {};
  iovec part = part_of(header);
  bool well = send_all({&part, 1}, true);
  const int error = well ? send_file(fd, offset, length, pad, well) : 0;
  if (!well) break_off();
  return {.error = error, .left = well};
}

// Returns the file's error. `well` becomes false when the connection is broken.
int Outlet::send_file(int fd, std::uint64_t offset, std::size_t length, bool pad, bool& well) {
  while (length != 0) {
    if (has_fibers()) waiter_->resume_fibers();
    const auto began = start_of_send(From::session);
    const auto [n, is_of_connection] = socket_.send_file(fd, offset, length);
    if (n > 0 || n == -EAGAIN) {
      const std::size_t sent = n > 0 ? static_cast<std::size_t>(n) : 0;
      offset += sent;
      length -= sent;
      if (length == 0) note_pace(began, sent, From::session);
      else if (!may_go_on(began, sent, From::session)) {
        well = false;
        return 0;
      }
      continue;
    }
    well = !is_of_connection && pad && send_zeroes(length);
    if (is_of_connection) return 0;
    return n == 0 ? EIO : static_cast<int>(-n);
  }
  return 0;
}

bool Outlet::send_zeroes(std::size_t length) {
  static constexpr std::array<std::byte, 4096> zeroes{};
  while (length != 0) {
    iovec part = part_of(std::span(zeroes).first(std::min(length, zeroes.size())));
    length -= part.iov_len;
    if (!send_all({&part, 1}, length != 0)) return false;
  }
  return true;
}

// Also ends the session's wait for more requests.
void Outlet::break_off() {
  if (!broken_.exchange(true, std::memory_order_relaxed)) socket_.abort();
}

// [under the lock]
void Outlet::append(Posted& reply) {
  reply.next_posted = nullptr;
  (last_posted_ != nullptr ? last_posted_->next_posted : first_posted_) = &reply;
  last_posted_ = &reply;
}

void Outlet::gather(Posted& reply) {
  gathered_ = true;
  const std::lock_guard<std::mutex> lock(mutex_);
  append(reply);
}

void Outlet::send_gathered() {
  gathered_ = false;
  const Timing timing(*this);
  std::unique_lock<std::mutex> lock(mutex_);
  send_posted(lock, From::session);
}

void Outlet::post(Posted& reply, From from) {
  std::unique_lock<std::mutex> lock(mutex_);
  append(reply);
  send_posted(lock, from);
}

bool Outlet::try_rest() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (busy_) return false;
  socket_.rest();
  return true;
}

// Sends what is posted, unless somebody is sending, who does it then. The lock is held on entry and on return.
void Outlet::send_posted(std::unique_lock<std::mutex>& lock, From from) {
  if (busy_ || first_posted_ == nullptr) return;
  busy_ = true;
  send_all_posted(lock, from);
  busy_ = false;
  waits_.store(false, std::memory_order_relaxed);
  free_.notify_one();
}

// Sends what is posted until nothing is. Likewise.
void Outlet::send_all_posted(std::unique_lock<std::mutex>& lock, From from) {
  while (first_posted_ != nullptr) {
    Posted* batch = std::exchange(first_posted_, nullptr);
    last_posted_ = nullptr;
    lock.unlock();
    send_batch(batch, from);
    lock.lock();
  }
}

void Outlet::send_batch(Posted* reply, From from) {
  while (reply != nullptr) {
    Posted* done = reply;
    std::array<iovec, most_parts> parts;
    std::size_t n = 0;
    for (; reply != nullptr && n < parts.size(); reply = reply->next_posted) {
      const std::span<std::byte> bytes = reply->bytes();
      parts[n++] = {bytes.data(), bytes.size()};
    }
    const bool left = !broken() && send_all({parts.data(), n}, false, from);
    if (!left) break_off();
    while (done != reply) std::exchange(done, done->next_posted)->sent(left);  // may be used anew from then on
  }
}

// For how long the client is waited for.
Pace::Clock::time_point Outlet::clock(From from) const {
  return from == From::session && waiter_ != nullptr ? waiter_->clients_clock() : Pace::Clock::now();
}

// Nothing while nobody else wants memory: then the client may be as slow as it likes.
std::optional<Pace::Clock::time_point> Outlet::start_of_send(From from) const {
  if (!memory_.wanted_by_others()) return std::nullopt;
  return clock(from);
}

// After a send that took `bytes` since `began`: whether the client is too slow.
bool Outlet::note_pace(std::optional<Pace::Clock::time_point> began, std::size_t bytes, From from) {
  if (began) return pace_.too_slow(clock(from) - *began, bytes);
  pace_.reset();
  return false;
}

// As note_pace(), when others are left to be sent: whether the client may go on.
bool Outlet::may_go_on(std::optional<Pace::Clock::time_point> began, std::size_t bytes, From from) {
  waits_.store(true, std::memory_order_relaxed);
  if (!note_pace(began, bytes, from)) return true;
  too_slow_.store(true, std::memory_order_relaxed);
  return false;
}

// Sends some bytes of `parts`, waiting for the client; -EAGAIN: it has waited, and nothing was taken. A long one goes
// in pieces, so that one looks in between how fast it is.
ssize_t Outlet::wait_to_send(std::span<const iovec> parts, bool more, From from) {
  if (from == From::session && has_fibers()) {
    const ssize_t n = socket_.send(parts, Socket::Wait::no, more);
    if (n == -EAGAIN) waiter_->for_room();
    return n;
  }
  if (parts.front().iov_len <= Socket::piece) return socket_.send(parts, Socket::Wait::yes, more);
  const iovec piece{parts.front().iov_base, Socket::piece};
  return socket_.send({&piece, 1}, Socket::Wait::yes, true);
}

// Sends every byte of `parts`, which it uses up. False: the connection is broken. A worker first sends without waiting.
// When the client takes no more, it gives its place back, waits from then on as the session's thread does, and takes a
// place again, even if that is one too many, when all is sent.
bool Outlet::send_all(std::span<iovec> parts, bool more, From from) {
  bool well = true, place_given_back = false;
  while (!parts.empty()) {
    const bool may_wait = from == From::session || place_given_back;
    const auto began = start_of_send(from);
    const ssize_t n = may_wait ? wait_to_send(parts, more, from) : socket_.send(parts, Socket::Wait::no, more);
    if (n < 0 && n != -EAGAIN) {
      well = false;
      break;
    }
    const std::size_t sent = n > 0 ? static_cast<std::size_t>(n) : 0;
    drop_front(parts, sent);
    if (parts.empty()) {
      if (may_wait) note_pace(began, sent, from);
    } else if (!may_wait) {
      if (n == -EAGAIN) {
        workers_.give_back();
        place_given_back = true;
      }
    } else if (!may_go_on(began, sent, from)) {
      well = false;
      break;
    }
  }
  if (place_given_back) workers_.retake();
  return well;
}

}  // namespace ashlar::host
