// Inbox: bytes from the client, in one buffer that holds many requests, or one with all of its payload.
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

  // Makes sure that a message of `bytes`, the first of the unread ones, will fit. Reserves address space, no memory.
  void expect(std::size_t bytes) { expected_ = bytes; }

  // Receives what the socket has, waiting for something as long as its SO_RCVTIMEO. Returns as recv(2); EINTR is retried.
  ssize_t receive(int fd) { return receive(fd, 0); }
  // Likewise, without waiting.
  ssize_t poll(int fd) { return receive(fd, MSG_DONTWAIT); }

  // Keeps what has been received so far in place while a worker uses it.
  Pin pin() const { return Pin(buffer_); }

  // Lets the buffer go if nothing is unread: for a client that is idle.
  void give_back();

 private:
  ssize_t receive(int fd, int flags);
  std::size_t make_room();
  void move(std::size_t needed, std::size_t have, bool pinned);

  BufferPool& pool_;
  std::shared_ptr<Buffer> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::size_t expected_ = 0;
};

}  // namespace ashlar::host
