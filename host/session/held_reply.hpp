// HeldReply: whether the reply to a large write waits for the next one's, as long as that is arriving. Who sends is not
// waiting for it, and being woken for each costs more than the reply.
#pragma once
#include <cstdint>

namespace ashlar::host {

class HeldReply {
 public:
  // A request that brought `payload` bytes has been answered by the reply laid out last.
  void answered(std::uint32_t payload) {
    large_write_last_ = payload >= large_payload;
    ++requests_;
  }
  // All replies have gone out.
  void sent() { large_write_last_ = held_ = false; }

  // Whether the reply laid out last may wait.
  bool may_wait() const { return large_write_last_ && requests_ >= wait_from_; }
  void hold() { held_ = true; }
  bool is_held() const { return held_; }
  // The client sent nothing more while its reply was held, so it was waiting: it has too few requests at a time to go
  // on without replies, and its next ones are answered at once.
  void client_waited() { wait_from_ = requests_ + answered_at_once; }

 private:
  static constexpr std::uint32_t large_payload = 64u << 10;  // bytes
  static constexpr std::uint64_t answered_at_once = 64;      // requests

  bool large_write_last_ = false;
  bool held_ = false;
  std::uint64_t requests_ = 0;
  std::uint64_t wait_from_ = 0;  // the number of the request from which on a reply may wait
};

}  // namespace ashlar::host
