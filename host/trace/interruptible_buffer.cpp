#include "trace/interruptible_buffer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "trace/interrupt.hpp"

namespace ashlar::host::traces {

InterruptibleBuffer::int_type InterruptibleBuffer::overflow(int_type c) {
  if (!send()) return traits_type::eof();
  if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
  return traits_type::not_eof(c);
}

bool InterruptibleBuffer::send() {
  constexpr int look_every_ms = 100;
  const char* at = pbase();
  while (at != pptr()) {
    if (Interrupt::has_come()) return false;
    pollfd wanted{fd_, POLLOUT, 0};
    if (::poll(&wanted, 1, look_every_ms) <= 0) continue;
    const ssize_t n = ::write(fd_, at, static_cast<std::size_t>(pptr() - at));
    if (n >= 0) {
      at += n;
    } else if (errno != EINTR && errno != EAGAIN) {
      error_ = errno;
      reader_left_ = error_ == EPIPE;
      return false;
    }
  }
  begin_anew();
  return true;
}

}  // namespace ashlar::host::traces
