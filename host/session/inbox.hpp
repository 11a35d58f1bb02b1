// Inbox: bytes from the client, in one buffer that holds many requests, or one with all of its payload and some of what
// follows.
#pragma once
#include <sys/types.h>

#include <span>
#include <vector>

#include "session/buffer.hpp"
#include "socket/socket.hpp"

namespace ashlar::host {

class MemoryUse;

// All members: [the session's thread], unless something else is said.
class Inbox {
 public:
  explicit Inbox(MemoryUse& memory) : memory_(memory) {}

  std::span<const std::byte> unread() const {
    return buffer_ ? std::span<const std::byte>(buffer_->data() + begin_, end_ - begin_)
                   : std::span<const std::byte>(parked_);
  }
  void consume(std::size_t bytes) {
    if (buffer_) begin_ += bytes;
    else parked_.erase(parked_.begin(), parked_.begin() + static_cast<std::ptrdiff_t>(bytes));
  }

  // Makes room for a message of `bytes`, of which the unread bytes are the beginning. Waits for memory; false: the
  // server stops, or the client has gone.
  bool expect(std::size_t bytes);

  // Receives what the socket has. Returns as Socket::receive(), or -ECANCELED when there was no memory to receive into,
  // because the server stops or the client has gone.
  ssize_t receive(Socket& socket, Socket::Wait wait);

  // Keeps what has been received so far in place while a worker uses it.
  Pin pin() const { return Pin(buffer_); }

  // Whether it holds a large buffer.
  bool is_large() const;
  // Exchanges a large buffer for one of the usual size, if what is unread fits; a message that is expected must be
  // expected anew.
  void give_large_back();
  bool can_give_large_back() const;
  // Gives the buffer back if so little is unread that it can be kept without one.
  void give_back();
  // For a client that sends nothing at present: keeps what is unread in as little memory as it needs. Afterwards
  // has_buffer() tells whether that is a buffer still.
  void park();
  bool has_buffer() const { return buffer_ != nullptr; }
  // Throws away what is unread.
  void clear();

 private:
  enum class Patience : bool { none, waits };
  bool make_room(std::size_t bytes);
  void keep_without_buffer();
  void give_part_back();
  bool have_buffer();
  void move_to(std::shared_ptr<Buffer> buffer);
  std::shared_ptr<Buffer> take(std::size_t bytes, Patience patience);

  MemoryUse& memory_;
  std::shared_ptr<Buffer> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::size_t expected_ = 0;       // size of the message that has begun to arrive; 0: not known
  std::vector<std::byte> parked_;  // what is unread while there is no buffer
};

}  // namespace ashlar::host
