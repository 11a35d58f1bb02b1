// Outlet: the sending side of one connection. One thread at a time sends; replies of workers that come meanwhile are sent by
// it, so that no worker waits for another's reply and no two replies mix.
#pragma once
#include <sys/uio.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "session/buffer.hpp"
#include "session/executor.hpp"

namespace ashlar::host {

// A whole reply made by a worker. sent() is called when its bytes are no longer needed, also when they could not be sent.
class Posted {
 public:
  virtual std::span<std::byte> bytes() = 0;
  virtual void sent() noexcept = 0;
  Posted* next_posted = nullptr;  // the outlet's

 protected:
  ~Posted() = default;
};

class Outlet {
 public:
  // `fd`'s SO_SNDTIMEO is how long a client may take nothing at all while others wait for memory.
  Outlet(int fd, Executor& executor, const BufferPool& pool) : fd_(fd), executor_(executor), pool_(pool) {}

  // Sends `bytes`; returns when the kernel has taken them. [the session's thread]
  void send(std::span<const std::byte> bytes);
  // Likewise, several pieces, which are used up.
  void send(std::span<iovec> parts);
  // Sends `header`, `length` bytes of `fd` from `offset`, in one piece; returns 0 or the errno that reading `fd` ended with (EIO: it
  // ends too early): then zeroes were sent in place of the rest if `pad`, else the connection is broken. [the session's thread]
  int send_lent(std::span<const std::byte> header, int fd, std::uint64_t offset, std::size_t length, bool pad);
  // Sends a worker's reply, now or by whoever is sending. [a worker's thread]
  void post(Posted& reply);

  // The client cannot be reached any more, or got a part of a reply and would wait for the rest for ever: what is sent is
  // dropped, and the socket is shut down. [any thread]
  bool broken() const { return broken_; }

 private:
  class Turn;
  bool send_all(std::span<iovec> parts, int flags, bool worker = false);
  bool send_batch(Posted* first, bool worker);
  bool may_wait_on() const;
  void break_off();
  void send_posted(std::unique_lock<std::mutex>& lock, bool worker);

  const int fd_;
  Executor& executor_;
  const BufferPool& pool_;
  std::mutex mutex_;
  std::condition_variable free_;
  bool busy_ = false;    // somebody is sending
  std::atomic<bool> broken_{false};
  Posted* first_posted_ = nullptr;  // oldest first
  Posted* last_posted_ = nullptr;
};

}  // namespace ashlar::host
