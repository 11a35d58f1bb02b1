#include "session/inbox.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ashlar::host {
namespace {
constexpr std::size_t least_room = 4096;          // below this a recv is not worth its call
constexpr std::size_t large = 64 * 1024;
}  // namespace

ssize_t Inbox::receive(int fd, int flags) {
  const std::size_t most = make_room();
  ssize_t n;
  do n = ::recv(fd, buffer_->data() + end_, most, flags);
  while (n < 0 && errno == EINTR);
  if (n > 0) {
    end_ += static_cast<std::size_t>(n);
    expected_ = 0;
  }
  return n;
}

// Returns how much to receive.
std::size_t Inbox::make_room() {
  if (!buffer_) buffer_ = pool_.take();
  const bool pinned = buffer_->pinned();
  const std::size_t have = end_ - begin_;
  if (have == 0 && !pinned) begin_ = end_ = 0;
  const std::size_t needed = std::max(expected_, have + least_room);
  if (buffer_->capacity() - begin_ < needed) move(needed, have, pinned);
  // The rest of a large message alone: what follows it then starts a buffer of its own and need not be moved.
  return expected_ > large ? expected_ - have : buffer_->capacity() - end_;
}

void Inbox::move(std::size_t needed, std::size_t have, bool pinned) {
  if (pinned) {  // a worker still reads from this one: go on in another
    std::shared_ptr<Buffer> fresh = pool_.take(needed);
    if (have != 0) std::memcpy(fresh->data(), buffer_->data() + begin_, have);
    buffer_ = std::move(fresh);
  } else {
    if (have != 0 && begin_ != 0) std::memmove(buffer_->data(), buffer_->data() + begin_, have);
    if (buffer_->capacity() < needed) buffer_->grow(needed);
  }
  begin_ = 0;
  end_ = have;
}

void Inbox::give_back() {
  if (begin_ != end_ || !buffer_) return;
  buffer_.reset();
  begin_ = end_ = 0;
}

}  // namespace ashlar::host
