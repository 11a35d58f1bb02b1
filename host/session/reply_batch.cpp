#include "session/reply_batch.hpp"

#include <utility>

namespace ashlar::host {

std::byte* ReplyBatch::room(std::size_t bytes) {
  if (buffer_ && buffer_->capacity() - size_ < bytes) send();
  return have_room(bytes) ? buffer_->data() + size_ : nullptr;
}

bool ReplyBatch::have_room(std::size_t bytes) {
  if (buffer_ && buffer_->capacity() - size_ >= bytes) return true;
  buffer_.reset();  // nothing is laid out in it now
  if (bytes <= BufferPool::usual_capacity) buffer_ = memory_.usual();
  if (!buffer_) buffer_ = memory_.take(bytes);
  return buffer_ != nullptr;
}

void ReplyBatch::send() {
  held_.sent();
  ledger_.batch_left(size_ == 0 || outlet_.send({buffer_->data(), std::exchange(size_, 0)}));
}

Outlet::Lent ReplyBatch::send_with_file(int fd, std::uint64_t offset, std::size_t length, bool pad) {
  const Outlet::Lent lent = outlet_.send_lent({buffer_->data(), std::exchange(size_, 0)}, fd, offset, length, pad);
  held_.sent();
  ledger_.batch_left(lent.left);
  return lent;
}

}  // namespace ashlar::host
