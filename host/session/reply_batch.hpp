// ReplyBatch: replies that the session's thread has laid out one behind the other and not yet sent, so that many go out
// at once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

#include "session/held_reply.hpp"
#include "session/ledger.hpp"
#include "session/memory_use.hpp"
#include "session/outlet.hpp"

namespace ashlar::host {

// [the session's thread]
class ReplyBatch {
 public:
  // `ledger` and `held` are told when what was laid out has left.
  ReplyBatch(Outlet& outlet, MemoryUse& memory, Ledger& ledger, HeldReply& held)
      : outlet_(outlet), memory_(memory), ledger_(ledger), held_(held) {}

  // Memory for a reply of up to `bytes`, behind those laid out before, which are sent first if it would not fit. Null:
  // there was none to be had, because the server stops or the client has gone. It may wait for memory; before it does,
  // Manners calls send() and give_back() of this batch, and may move what the inbox holds: look for payloads anew.
  std::byte* room(std::size_t bytes);
  // `bytes` of a reply have been laid out at room().
  void add(std::size_t bytes) { size_ += bytes; }
  // Sends all that was laid out.
  void send();
  // Sends all that was laid out, and behind it `length` bytes of `fd` from `offset`; see Outlet::send_lent.
  Outlet::Lent send_with_file(int fd, std::uint64_t offset, std::size_t length, bool pad);

  std::size_t size() const { return size_; }

  // Gives the memory back, unless replies lie in it.
  void give_back() {
    if (size_ == 0) buffer_.reset();
  }

 private:
  bool have_room(std::size_t bytes);

  Outlet& outlet_;
  MemoryUse& memory_;
  Ledger& ledger_;
  HeldReply& held_;
  std::shared_ptr<Buffer> buffer_;
  std::size_t size_ = 0;
};

}  // namespace ashlar::host
