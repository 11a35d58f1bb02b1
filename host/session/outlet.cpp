#include "session/outlet.hpp"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace ashlar::host {
namespace {
constexpr std::size_t most_parts = 64;  // replies gathered into one sendmsg(2)
}

// The session's turn to send: waits for it, and sends what workers posted meanwhile before it ends.
class Outlet::Turn {
 public:
  explicit Turn(Outlet& outlet) : outlet_(outlet), lock_(outlet.mutex_) {
    outlet_.free_.wait(lock_, [&] { return !outlet_.busy_; });
    outlet_.busy_ = true;
    usable_ = !outlet_.broken_;
    lock_.unlock();
  }
  ~Turn() {
    lock_.lock();
    if (!usable_) outlet_.break_off();
    outlet_.send_posted(lock_, false);
    outlet_.busy_ = false;
  }
  bool usable() const { return usable_; }
  void done(bool well) { usable_ = usable_ && well; }

 private:
  Outlet& outlet_;
  std::unique_lock<std::mutex> lock_;
  bool usable_;
};

void Outlet::send(std::span<const std::byte> bytes, bool more) {
  Turn turn(*this);
  if (!turn.usable()) return;
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  turn.done(send_all({&part, 1}, more ? MSG_MORE : 0));
}

void Outlet::send(std::span<iovec> parts) {
  Turn turn(*this);
  if (turn.usable()) turn.done(send_all(parts, 0));
}

int Outlet::send_lent(std::span<const std::byte> header, int fd, std::uint64_t offset, std::size_t length, bool pad) {
  Turn turn(*this);
  if (!turn.usable()) return 0;
  iovec part{const_cast<std::byte*>(header.data()), header.size()};
  if (!send_all({&part, 1}, MSG_MORE)) return turn.done(false), 0;
  auto at = static_cast<off_t>(offset);
  while (length != 0) {
    const ssize_t n = ::sendfile(fd_, fd, &at, length);
    if (n > 0) {
      length -= static_cast<std::size_t>(n);
      continue;
    }
    if (n < 0 && (errno == EINTR || (errno == EAGAIN && may_wait_on()))) continue;
    // Either side may have failed; a socket that failed also fails the padding below.
    const int error = n == 0 ? EIO : errno;
    if (!pad) return turn.done(false), error;
    static constexpr std::array<std::byte, 4096> zeroes{};
    while (length != 0) {
      iovec zero{const_cast<std::byte*>(zeroes.data()), std::min(length, zeroes.size())};
      length -= zero.iov_len;
      if (!send_all({&zero, 1}, MSG_MORE)) return turn.done(false), error;
    }
    return error;
  }
  return 0;
}

// A client that has taken nothing for long keeps its memory only as long as nobody else needs it.
bool Outlet::may_wait_on() const { return !pool_.wanted(); }

// Also ends the session's wait for more requests.
void Outlet::break_off() {
  if (!broken_) ::shutdown(fd_, SHUT_RDWR);
  broken_ = true;
}

void Outlet::post(Posted& reply) {
  std::unique_lock<std::mutex> lock(mutex_);
  posted_.push_back(&reply);
  if (busy_) return;
  busy_ = true;
  send_posted(lock, true);
  busy_ = false;
  free_.notify_one();
}

bool Outlet::broken() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return broken_;
}

// Sends what is posted until nothing is. The lock is held on entry and on return.
void Outlet::send_posted(std::unique_lock<std::mutex>& lock, bool worker) {
  std::vector<Posted*> batch;
  while (!posted_.empty()) {
    batch.clear();
    batch.swap(posted_);
    const bool usable = !broken_;
    lock.unlock();
    bool well = usable;
    for (std::size_t first = 0; well && first < batch.size(); first += most_parts) {
      std::array<iovec, most_parts> parts;
      const std::size_t n = std::min(most_parts, batch.size() - first);
      for (std::size_t i = 0; i < n; ++i) {
        const std::span<std::byte> bytes = batch[first + i]->bytes();
        parts[i] = {bytes.data(), bytes.size()};
      }
      well = send_all({parts.data(), n}, 0, worker);
    }
    for (Posted* reply : batch) reply->sent();
    lock.lock();
    if (!well) break_off();
  }
}

// Sends every byte of `parts`, which it uses up. False: the connection is broken. A worker that has to wait for the client
// gives its place back meanwhile: a client that does not read must not keep workers from the others.
bool Outlet::send_all(std::span<iovec> parts, int flags, bool worker) {
  bool well = true;
  bool waits = !worker;
  while (well && !parts.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | flags | (waits ? 0 : MSG_DONTWAIT));
    if (n < 0) {
      if (errno == EAGAIN && !waits) {
        executor_.give_worker_back();
        waits = true;
      } else if (errno != EINTR && !(errno == EAGAIN && may_wait_on())) {
        well = false;
      }
      continue;
    }
    auto left = static_cast<std::size_t>(n);
    while (!parts.empty() && left >= parts.front().iov_len) {
      left -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (left != 0) {
      parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + left;
      parts.front().iov_len -= left;
    }
  }
  if (worker && waits) executor_.retake_worker();
  return well;
}

}  // namespace ashlar::host
