// Inbox: bytes from the client, in one buffer that holds many requests, or one with all of its payload and some of what follows.
#pragma once
#include <sys/socket.h>
#include <sys/types.h>

#include <span>

#include "session/buffer.hpp"

namespace ashlar::host {

class Inbox {
 public:
  explicit Inbox(BufferPool& pool) : pool_(pool) {}

  std::span<const std::byte> unread() const {
    return buffer_ ? std::span<const std::byte>(buffer_->data() + begin_, end_ - begin_) : std::span<const std::byte>();
  }
  void consume(std::size_t bytes) { begin_ += bytes; }

  // Makes room for a message of `bytes`, of which the unread bytes are the beginning. False: it needs a large buffer and would
  // have to wait for one. expect() waits; call it with no other large buffer in hand.
  bool try_expect(std::size_t bytes);
  void expect(std::size_t bytes);

  // Receives what the socket has, waiting for something as long as its SO_RCVTIMEO. Returns as recv(2); EINTR is retried.
  ssize_t receive(int fd) { return receive(fd, 0); }
  // Likewise, without waiting.
  ssize_t poll(int fd) { return receive(fd, MSG_DONTWAIT); }

  // Whether the socket has something to receive.
  static bool has_more(int fd);

  // Keeps what has been received so far in place while a worker uses it.
  Pin pin() const { return Pin(buffer_); }

  // Whether it holds a large buffer.
  bool is_large() const { return buffer_ && buffer_->capacity() > BufferPool::usual_capacity; }
  // Exchanges a large buffer for one of the usual size, if what is unread fits; a message that is expected must be expected anew.
  void let_large_go();
  bool can_let_go() const { return !is_large() || end_ - begin_ <= BufferPool::usual_capacity; }
  // Lets the buffer go if nothing is unread: for a client that is idle.
  void give_back();

 private:
  bool make_room(std::size_t bytes, bool wait);
  void move_to(std::shared_ptr<Buffer> buffer);
  ssize_t receive(int fd, int flags);

  BufferPool& pool_;
  std::shared_ptr<Buffer> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::size_t expected_ = 0;  // size of the message that has begun to arrive; 0: not known
};

}  // namespace ashlar::host
