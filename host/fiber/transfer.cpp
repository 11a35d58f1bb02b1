#include "fiber/transfer.hpp"

#include <sys/uio.h>

#include <cerrno>

namespace ashlar::host {

std::int64_t transfer(const Transfer& what) noexcept {
  const iovec part{what.data, what.length};
  const auto offset = static_cast<off_t>(what.offset);
  const auto n = what.to == Transfer::To::file ? ::pwritev2(what.fd, &part, 1, offset, what.flags)
                                               : ::preadv2(what.fd, &part, 1, offset, what.flags);
  return n < 0 ? -errno : n;
}

}  // namespace ashlar::host
