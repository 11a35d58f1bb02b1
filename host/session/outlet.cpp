#include "session/outlet.hpp"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

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

void Outlet::send(std::span<const std::byte> bytes) {
  Turn turn(*this);
  if (!turn.usable()) return;
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  turn.done(send_all({&part, 1}, 0));
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
    const int error = n == 0 ? EIO : errno;
    if (error == EPIPE || error == ECONNRESET || error == EAGAIN) return turn.done(false), 0;  // the client's side
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
  reply.next_posted = nullptr;
  (last_posted_ != nullptr ? last_posted_->next_posted : first_posted_) = &reply;
  last_posted_ = &reply;
  if (busy_) return;
  busy_ = true;
  send_posted(lock, true);
  busy_ = false;
  free_.notify_one();
}

// Sends what is posted until nothing is. The lock is held on entry and on return.
void Outlet::send_posted(std::unique_lock<std::mutex>& lock, bool worker) {
  while (first_posted_ != nullptr) {
    Posted* batch = std::exchange(first_posted_, nullptr);
    last_posted_ = nullptr;
    const bool usable = !broken_;
    lock.unlock();
    const bool well = usable && send_batch(batch, worker);
    while (batch != nullptr) std::exchange(batch, batch->next_posted)->sent();  // may be used anew from then on
    lock.lock();
    if (!well) break_off();
  }
}

bool Outlet::send_batch(Posted* reply, bool worker) {
  while (reply != nullptr) {
    std::array<iovec, most_parts> parts;
    std::size_t n = 0;
    for (; reply != nullptr && n < parts.size(); reply = reply->next_posted) {
      const std::span<std::byte> bytes = reply->bytes();
      parts[n++] = {bytes.data(), bytes.size()};
    }
    if (!send_all({parts.data(), n}, 0, worker)) return false;
  }
  return true;
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
