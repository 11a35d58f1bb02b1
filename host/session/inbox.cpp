#include "session/inbox.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ashlar::host {
namespace {

constexpr std::size_t least_room = 4096;  // below this a recv is not worth its call
constexpr std::size_t usual = BufferPool::usual_capacity;
// From `long_message` on, `what_follows` is received with it, as far as there is room; a buffer that is taken for it has room. More
// would have to be moved to the buffer's beginning too often.
constexpr std::size_t long_message = 64 * 1024;
constexpr std::size_t what_follows = 128 * 1024;

}  // namespace

bool Inbox::try_expect(std::size_t bytes) { return make_room(bytes, false); }

void Inbox::expect(std::size_t bytes) { make_room(bytes, true); }

bool Inbox::make_room(std::size_t bytes, bool wait) {
  expected_ = bytes;
  const std::size_t and_what_follows = bytes > long_message ? bytes + what_follows : bytes;
  const std::size_t capacity = buffer_ ? buffer_->capacity() : 0, room = capacity - begin_;
  const bool movable = capacity >= bytes && begin_ != 0 && !buffer_->pinned();
  if (room >= (movable ? and_what_follows : bytes)) return true;
  if (movable) {
    std::memmove(buffer_->data(), buffer_->data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  // Never wait for a large buffer while holding another: two clients could wait for each other for ever.
  if (wait && bytes > usual) let_large_go();
  const std::size_t wanted = bytes > usual ? and_what_follows : bytes;
  std::shared_ptr<Buffer> buffer = wait ? pool_.take(wanted) : pool_.try_take(wanted);
  if (!buffer) return false;
  move_to(std::move(buffer));
  return true;
}

// What is unread then begins the new buffer, which is large enough for it.
void Inbox::move_to(std::shared_ptr<Buffer> buffer) {
  if (buffer_) std::memcpy(buffer->data(), buffer_->data() + begin_, end_ - begin_);
  buffer_ = std::move(buffer);
  end_ -= begin_;
  begin_ = 0;
}

ssize_t Inbox::receive(int fd, int flags) {
  if (!buffer_) buffer_ = pool_.take();
  const std::size_t have = end_ - begin_;
  if (have == 0 && !buffer_->pinned()) begin_ = end_ = 0;
  if (expected_ == 0) make_room(have + least_room, true), expected_ = 0;
  // Unless a long message is under way, never more than the usual capacity: then a large buffer can be let go at any time.
  // With the rest of one comes what follows: who sends it can go on while the message is served.
  const std::size_t most = expected_ > long_message ? expected_ - have + what_follows : usual - std::min(have, usual);
  ssize_t n;
  do n = ::recv(fd, buffer_->data() + end_, std::min(most, buffer_->capacity() - end_), flags);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    end_ += static_cast<std::size_t>(n);
    expected_ = 0;
  }
  return n;
}

bool Inbox::has_more(int fd) {
  std::byte one;
  return ::recv(fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

void Inbox::let_large_go() {
  if (is_large() && can_let_go()) move_to(pool_.take());
}

void Inbox::give_back() {
  if (begin_ != end_ || !buffer_) return;
  buffer_.reset();
  begin_ = end_ = 0;
}

}  // namespace ashlar::host
