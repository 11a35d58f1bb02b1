// FramedSocket: a Socket behind which the bytes on the wire are others than those of the session, as with TLS. Each
// frame is two bytes of length and that many bytes, each of them changed. So data may be ready inside though the
// kernel's socket is not readable, the end of a frame is waited for with nothing to give, and a file cannot be sent
// from.
#pragma once
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

#include "protocol/codec.hpp"
#include "socket/kernel_socket.hpp"

namespace ashlar::host {

inline constexpr std::size_t frame_header = 2;
inline constexpr std::size_t most_in_frame = 5000;
inline std::byte framed(std::byte b) { return b ^ std::byte{0x5a}; }

// Appends bytes of `plain` to `wire` as one frame; returns how many.
inline std::size_t put_frame(std::vector<std::byte>& wire, std::span<const std::byte> plain) {
  const std::size_t n = std::min(plain.size(), most_in_frame);
  const std::size_t at = wire.size();
  wire.resize(at + frame_header + n);
  protocol::put16(wire.data() + at, static_cast<std::uint16_t>(n));
  std::transform(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(n),
                 wire.begin() + static_cast<std::ptrdiff_t>(at + frame_header), framed);
  return n;
}

// Moves the whole frames that begin `wire` to `plain`.
inline void take_frames(std::vector<std::byte>& wire, std::vector<std::byte>& plain) {
  std::size_t at = 0;
  while (wire.size() - at >= frame_header) {
    const std::size_t n = protocol::get16(wire.data() + at);
    if (wire.size() - at < frame_header + n) break;
    const auto begin = wire.begin() + static_cast<std::ptrdiff_t>(at + frame_header);
    std::transform(begin, begin + static_cast<std::ptrdiff_t>(n), std::back_inserter(plain), framed);
    at += frame_header + n;
  }
  wire.erase(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(at));
}

class FramedSocket final : public Socket {
 public:
  explicit FramedSocket(int fd) : kernel_(fd) {}

  ssize_t receive(std::span<std::byte> into, Wait wait) override {
    const ssize_t n = fill(wait);
    if (plain_.empty()) return n;
    const std::size_t count = std::min(into.size(), plain_.size());
    std::copy_n(plain_.begin(), count, into.begin());
    plain_.erase(plain_.begin(), plain_.begin() + static_cast<std::ptrdiff_t>(count));
    return static_cast<ssize_t>(count);
  }
  bool has_input() override { return fill(Wait::no) != -EAGAIN; }
  bool wait_for_input() override { return fill(Wait::yes) != -EAGAIN; }
  bool holds_input() const override { return !plain_.empty(); }
  bool is_gone() override { return kernel_.is_gone(); }
  int watched_descriptor() const override { return kernel_.watched_descriptor(); }

  ssize_t send(std::span<const iovec> parts, Wait wait, bool more) override {
    if (frame_.empty()) {
      const auto* bytes = static_cast<const std::byte*>(parts.front().iov_base);
      in_frame_ = put_frame(frame_, {bytes, parts.front().iov_len});
    }
    while (!frame_.empty()) {  // the bytes are not taken before all of their frame is
      const iovec rest{frame_.data(), frame_.size()};
      const ssize_t n = kernel_.send({&rest, 1}, wait, more);
      if (n < 0) return n;
      frame_.erase(frame_.begin(), frame_.begin() + n);
    }
    return static_cast<ssize_t>(in_frame_);
  }
  bool can_send_files() const override { return false; }
  FileSent send_file(int, std::uint64_t, std::size_t) override { return {.bytes = -EINVAL}; }

  void abort() override { kernel_.abort(); }
  void finish() noexcept override { kernel_.finish(); }

 private:
  // Sees to it that plain_ holds something; -EAGAIN, 0 or an error when that cannot be.
  ssize_t fill(Wait wait) {
    if (!plain_.empty()) return 1;
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
      std::byte some[3000];
      const ssize_t n = kernel_.receive(some, wait);
      if (n <= 0) return n;
      wire_.insert(wire_.end(), some, some + n);
      take_frames(wire_, plain_);
      if (!plain_.empty()) return 1;
      if (wait == Wait::yes && std::chrono::steady_clock::now() >= end) return -EAGAIN;
    }
  }

  KernelSocket kernel_;
  std::vector<std::byte> wire_, plain_;  // received: not yet a whole frame; not yet taken
  std::vector<std::byte> frame_;         // being sent
  std::size_t in_frame_ = 0;             // bytes of the session in it
};

}  // namespace ashlar::host
