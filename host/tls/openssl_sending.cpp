// OpensslSocket's sending, and how it rests and ends.
#include <openssl/err.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "tls/openssl_socket.hpp"

namespace ashlar::host {
namespace {

template <class T>
void free_memory(std::vector<T>& of) {
  std::vector<T>().swap(of);
}

}  // namespace

// While it lives, this thread sends, and nobody else.
class OpensslSocket::Turn {
 public:
  explicit Turn(OpensslSocket& of) : of_(of), lock_(of.turn_) {}
  ~Turn() {
    lock_.unlock();
    of_.catch_up();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  // Whether nothing more may be sent.
  bool is_over() const { return of_.has_ended_ || of_.is_aborted_.load(std::memory_order_relaxed); }

 private:
  OpensslSocket& of_;
  std::unique_lock<std::mutex> lock_;
};

// Does what is to be done at once, unless somebody else has the turn, who does it then. Waits for nobody. [any thread,
// without a lock]
void OpensslSocket::catch_up() noexcept {
  for (;;) {
    // Who has just given the turn away sees what was wanted meanwhile, or that one finds the turn free.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const bool is_aborted = is_aborted_.load(std::memory_order_relaxed);
    if (!is_aborted && !has_news_.load(std::memory_order_relaxed)) return;
    std::unique_lock turn(turn_, std::try_to_lock);
    if (!turn || has_ended_) return;
    if (!is_aborted) {
      send_made();
    } else if (!end_at_once()) {
      turn.unlock();
      // Who decrypts comes here behind that. Unless he has been here while the turn was taken.
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (const std::unique_lock nobody_decrypts(mutex_, std::try_to_lock); !nobody_decrypts) return;
    }
  }
}

// What the client does not take now goes before what is sent next. [who has the turn]
void OpensslSocket::send_made() {
  if (has_unsent()) push(Wait::no, false);
  {
    const std::lock_guard lock(mutex_);
    has_news_.store(false, std::memory_order_relaxed);
    made_waits_ = has_unsent();
    if (!made_waits_) take_made();
  }
  if (has_unsent() && !made_waits_) push(Wait::no, false);
}

// Ends the stream and breaks the connection. False: it is left to who decrypts at present. [who has the turn]
bool OpensslSocket::end_at_once() {
  if (may_tell_end()) {
    std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return false;
    tell_end();
    lock.unlock();
    if (has_unsent()) push(Wait::no, false);
  }
  has_ended_ = true;
  connection_.abort();
  return true;
}

// Not behind a part of a record, which the client would take it for the rest of. The kernel would wait for room.
bool OpensslSocket::may_tell_end() const {
  if (has_unsent()) return false;
  if (!kernel_sends_) return true;
  pollfd watched{.fd = connection_.watched_descriptor(), .events = POLLOUT, .revents = 0};
  return ::poll(&watched, 1, 0) > 0 && (watched.revents & POLLOUT) != 0;
}

void OpensslSocket::abort() {
  if (!is_secured_) return connection_.abort();
  is_aborted_.store(true, std::memory_order_relaxed);
  catch_up();
}

// Sends what is encrypted, as far as it is taken; 0 or the errno number.
int OpensslSocket::push(Wait wait, bool more) {
  const iovec rest{unsent_.data() + unsent_begin_, unsent_.size() - unsent_begin_};
  const ssize_t n = connection_.send({&rest, 1}, wait, more);
  if (n < 0) return static_cast<int>(-n);
  unsent_begin_ += static_cast<std::size_t>(n);
  if (has_unsent()) return 0;
  unsent_.clear();
  unsent_begin_ = 0;
  if (std::exchange(made_waits_, false)) has_news_.store(true, std::memory_order_relaxed);
  return 0;
}

// Encrypts all of `bytes` to unsent_; returns how many, or a negative errno number.
ssize_t OpensslSocket::encrypt(std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  if (is_broken_) return -EPIPE;
  ::ERR_clear_error();
  unsent_.reserve(most_unsent);
  unsent_.insert(unsent_.end(), made_.begin(), made_.end());
  made_.clear();
  has_news_.store(false, std::memory_order_relaxed);
  output_ = &unsent_;
  std::size_t count = 0;
  while (count < bytes.size() && !is_broken_) {
    std::size_t n = 0;
    if (::SSL_write_ex(ssl_.get(), bytes.data() + count, bytes.size() - count, &n) == 1) count += n;
    else is_broken_ = true;
  }
  output_ = &made_;
  ::ERR_clear_error();
  return is_broken_ ? -EPIPE : static_cast<ssize_t>(count);
}

// Encrypts and sends `length` bytes; `encrypt(from)` encrypts some of them from there on, and returns how many, 0 or a
// negative errno number, or throws std::bad_alloc. Returns as send(). What is encrypted has to be sent to its end, so
// its last byte is not told as taken before; it comes again and is skipped then. A little that has more behind it waits
// for that.
template <class Encrypt>
ssize_t OpensslSocket::transfer(std::size_t length, Wait wait, bool more, Encrypt encrypt) {
  const Turn turn(*this);
  std::size_t encrypted = std::exchange(ahead_, 0);
  while (!turn.is_over()) {
    ssize_t n = 1;
    try {
      while (encrypted < length && unsent_.size() < batch && (n = encrypt(encrypted)) > 0)
        encrypted += static_cast<std::size_t>(n);
    } catch (const std::bad_alloc&) {
      n = -ENOMEM;
    }
    if (n > 0 && more && encrypted == length && unsent_.size() < batch) return static_cast<ssize_t>(length);
    // What was encrypted before an error is sent first.
    const int error = has_unsent() ? push(wait, more || encrypted < length) : 0;
    if (error != 0 && error != EAGAIN) return -error;
    if (has_unsent()) {
      ahead_ = std::min<std::size_t>(encrypted, 1);
      return encrypted > 1 ? static_cast<ssize_t>(encrypted - 1) : -EAGAIN;
    }
    if (n <= 0 && encrypted == 0) return n;
    if (n <= 0 || encrypted == length) return static_cast<ssize_t>(encrypted);
  }
  return -ECONNABORTED;
}

// Parts of what is sent, from any byte on: in place where they are long, copied one behind the other where they are
// short, so that many replies share a record.
class OpensslSocket::Gathered {
 public:
  Gathered(std::span<const iovec> parts, std::vector<std::byte>& scratch) : parts_(parts), scratch_(scratch) {
    for (const iovec& part : parts) size_ += part.iov_len;
  }
  std::size_t size() const { return size_; }
  // `from` does not become less.
  std::span<const std::byte> at(std::size_t from) {
    skip_to(from);
    const std::span<const std::byte> here = rest_of_part(from);
    if (here.size() >= record || parts_.size() == 1) return here.first(std::min(here.size(), batch));
    scratch_.resize(batch);
    std::size_t count = 0;
    while (count < record && from + count < size_) {
      skip_to(from + count);
      const auto part = rest_of_part(from + count);
      const std::size_t n = std::min(part.size(), record - count);
      std::memcpy(scratch_.data() + count, part.data(), n);
      count += n;
    }
    return {scratch_.data(), count};
  }

 private:
  void skip_to(std::size_t from) {
    while (from - begin_ >= parts_.front().iov_len) {
      begin_ += parts_.front().iov_len;
      parts_ = parts_.subspan(1);
    }
  }
  std::span<const std::byte> rest_of_part(std::size_t from) const {
    const auto* const bytes = static_cast<const std::byte*>(parts_.front().iov_base);
    return {bytes + (from - begin_), parts_.front().iov_len - (from - begin_)};
  }

  std::span<const iovec> parts_;
  std::vector<std::byte>& scratch_;
  std::size_t begin_ = 0;  // of the first part
  std::size_t size_ = 0;
};

ssize_t OpensslSocket::send(std::span<const iovec> parts, Wait wait, bool more) {
  if (kernel_sends_) {
    const Turn turn(*this);
    return turn.is_over() ? -ECONNABORTED : connection_.send(parts, wait, more);
  }
  Gathered gathered(parts, scratch_);
  return transfer(gathered.size(), wait, more, [&](std::size_t from) { return encrypt(gathered.at(from)); });
}

Socket::FileSent OpensslSocket::send_file(int fd, std::uint64_t offset, std::size_t length) {
  if (kernel_sends_) {
    const Turn turn(*this);
    if (turn.is_over()) return {.bytes = -ECONNABORTED, .is_of_connection = true};
    return connection_.send_file(fd, offset, length);
  }
  length = std::min(length, piece);
  ssize_t n = 1;  // what reading the file has come to
  const ssize_t sent = transfer(length, Wait::yes, false, [&](std::size_t from) -> ssize_t {
    n = read_file(fd, offset + from, length - from);
    return n > 0 ? encrypt({scratch_.data(), static_cast<std::size_t>(n)}) : 0;
  });
  if (sent == 0) return {.bytes = n};
  return {.bytes = sent, .is_of_connection = sent < 0};
}

// Reads some bytes to scratch_; returns as pread(2), or a negative errno number.
ssize_t OpensslSocket::read_file(int fd, std::uint64_t offset, std::size_t length) {
  scratch_.resize(batch);
  ssize_t n;
  do n = ::pread(fd, scratch_.data(), std::min(length, batch), static_cast<off_t>(offset));
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

// ---- Rest and end ----

// OpenSSL's buffers are freed if they are empty, and made anew when needed. It would also free one that holds the
// header of a record whose body is still to come. [under the lock]
void OpensslSocket::free_buffers() {
  if (std::strcmp(::SSL_rstate_string(ssl_.get()), "RH") == 0) ::SSL_free_buffers(ssl_.get());
}

void OpensslSocket::rest() {
  const Turn turn(*this);
  {
    const std::lock_guard lock(mutex_);
    free_buffers();
    if (made_.empty()) free_memory(made_);
  }
  if (!has_fetched()) fetched_.reset();
  if (!has_unsent()) free_memory(unsent_);
  free_memory(scratch_);
}

// Has the client told that nothing follows. [under the lock; who has the turn]
void OpensslSocket::tell_end() noexcept {
  ::ERR_clear_error();
  if (!is_broken_) ::SSL_shutdown(ssl_.get());
  ::ERR_clear_error();
  take_made();
}

// Without memory the client does not get it. [under the lock; who has the turn]
void OpensslSocket::take_made() noexcept {
  try {
    unsent_.insert(unsent_.end(), made_.begin(), made_.end());
  } catch (const std::bad_alloc&) {
    is_broken_ = true;  // nor anything that follows
  }
  made_.clear();
}

// What is half sent cannot be left: a client would take what follows for the end of a record.
void OpensslSocket::finish() noexcept {
  {
    const Turn turn(*this);
    if (is_secured_ && !turn.is_over()) {
      const std::lock_guard lock(mutex_);
      tell_end();
    }
    const auto end = Clock::now() + std::chrono::seconds(1);
    while (has_unsent() && !turn.is_over() && Clock::now() < end)
      if (push(Wait::yes, false) != 0) break;
    has_ended_ = true;
  }
  connection_.finish();
}

}  // namespace ashlar::host
