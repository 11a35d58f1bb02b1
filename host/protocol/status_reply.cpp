#include "protocol/status_reply.hpp"

#include <algorithm>

namespace ashlar::protocol {

std::int32_t StatusReply::add(void* self, std::uint64_t length, std::uint32_t state) noexcept {
  return static_cast<StatusReply*>(self)->add(length, state) ? 0 : 1;
}

bool StatusReply::add(std::uint64_t length, std::uint32_t state) {
  state &= state_hole | state_zero;
  length = std::min<std::uint64_t>(length, request_.length - total_);
  if (full_ || total_ == request_.length) return false;
  if (length == 0) return true;
  if (length_ != 0 && state != state_) {
    if (count_ + 1 == most_) {
      full_ = true;
      return false;
    }
    put_last();
  }
  state_ = state;
  length_ += static_cast<std::uint32_t>(length);
  total_ += static_cast<std::uint32_t>(length);
  return total_ < request_.length;
}

std::size_t StatusReply::finish() {
  if (length_ != 0) put_last();
  if (count_ == 0) return 0;
  style_.put_status_header(out_, request_, context_, count_);
  return style_.status_header_size() + count_ * style_.status_descriptor_size();
}

void StatusReply::put_last() {
  style_.put_status_descriptor(out_ + style_.status_header_size() + count_ * style_.status_descriptor_size(), length_,
                               state_);
  ++count_;
  length_ = 0;
}

}  // namespace ashlar::protocol
