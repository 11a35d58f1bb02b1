#include "session/inbox.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "session/memory_use.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t least_room = 4096;  // below this a recv is not worth its call
constexpr std::size_t usual = BufferPool::usual_capacity;
// From `long_message` on, `what_follows` is received with it, as far as there is room; a buffer that is taken for it
// has room. More would have to be moved to the buffer's beginning too often.
constexpr std::size_t long_message = 64 * 1024;
constexpr std::size_t what_follows = 128 * 1024;
// Unread bytes that are too few to be counted when there is no buffer: a header, an option, a small piece of a payload.
constexpr std::size_t most_uncounted = 512;

}  // namespace

bool Inbox::is_large() const { return buffer_ && buffer_->capacity() > usual; }

bool Inbox::can_give_large_back() const { return !is_large() || end_ - begin_ <= usual; }

bool Inbox::expect(std::size_t bytes) {
  if (!make_room(bytes)) return false;
  expected_ = bytes;
  return true;
}

bool Inbox::make_room(std::size_t bytes) {
  if (!have_buffer()) return false;
  const std::size_t and_what_follows = bytes > long_message ? bytes + what_follows : bytes;
  const std::size_t capacity = buffer_->capacity(), room = capacity - begin_;
  const bool movable = capacity >= bytes && begin_ != 0 && !buffer_->pinned();
  if (room >= (movable ? and_what_follows : bytes)) return true;
  if (movable) {
    std::memmove(buffer_->data(), buffer_->data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return true;
  }
  std::shared_ptr<Buffer> buffer = take(bytes > usual ? and_what_follows : bytes, Patience::waits);
  if (!buffer) return false;
  move_to(std::move(buffer));
  return true;
}

// A wait may give the large buffer back meanwhile, so nothing is remembered of it here.
std::shared_ptr<Buffer> Inbox::take(std::size_t bytes, Patience patience) {
  if (bytes <= usual) {
    if (auto buffer = memory_.usual()) return buffer;
    bytes = usual;
  }
  return patience == Patience::waits ? memory_.take(bytes) : memory_.try_take(bytes);
}

bool Inbox::have_buffer() {
  if (buffer_) return true;
  std::shared_ptr<Buffer> buffer = take(usual, Patience::waits);
  if (!buffer) return false;
  std::copy(parked_.begin(), parked_.end(), buffer->data());
  begin_ = 0;
  end_ = parked_.size();
  give_part_back();
  buffer_ = std::move(buffer);
  return true;
}

// What is unread then begins the new buffer, which is large enough for it. Without any there may be no old buffer: it
// was given back while this one was waited for.
void Inbox::move_to(std::shared_ptr<Buffer> buffer) {
  if (begin_ != end_) std::memcpy(buffer->data(), buffer_->data() + begin_, end_ - begin_);
  buffer_ = std::move(buffer);
  end_ -= begin_;
  begin_ = 0;
}

ssize_t Inbox::receive(Socket& socket, Socket::Wait wait) {
  if (!have_buffer()) return -ECANCELED;
  const std::size_t have = end_ - begin_;
  if (have == 0 && !buffer_->pinned()) begin_ = end_ = 0;
  if (expected_ == 0 && !make_room(have + least_room)) return -ECANCELED;
  // Unless a long message is under way, never more than the usual capacity: then a large buffer can be given back at
  // any time. With the rest of one comes what follows: who sends it can go on while the message is served.
  const std::size_t most =
      expected_ > long_message ? expected_ - have + what_follows : std::max(usual - std::min(have, usual), least_room);
  const std::size_t room = std::min(most, buffer_->capacity() - end_);
  const ssize_t n = socket.receive({buffer_->data() + end_, room}, wait);
  if (n > 0) {
    end_ += static_cast<std::size_t>(n);
    expected_ = 0;
  }
  return n;
}

void Inbox::give_large_back() {
  if (!is_large() || !can_give_large_back()) return;
  expected_ = 0;
  if (begin_ == end_) {
    buffer_.reset();
    begin_ = end_ = 0;
  } else if (auto buffer = take(usual, Patience::none)) {
    move_to(std::move(buffer));
  }
}

void Inbox::clear() {
  buffer_.reset();
  give_part_back();
  begin_ = end_ = expected_ = 0;
}

void Inbox::give_back() {
  if (buffer_ && unread().size() <= most_uncounted) keep_without_buffer();
}

void Inbox::park() {
  give_large_back();
  give_back();
  if (buffer_ && memory_.try_keep_part(unread().size())) keep_without_buffer();
}

void Inbox::give_part_back() {
  std::vector<std::byte>().swap(parked_);
  memory_.give_part_back();
}

void Inbox::keep_without_buffer() {
  const std::span<const std::byte> rest = unread();
  parked_.assign(rest.begin(), rest.end());
  parked_.shrink_to_fit();
  buffer_.reset();
  begin_ = end_ = 0;
  expected_ = 0;
}

}  // namespace ashlar::host
