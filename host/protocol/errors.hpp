// Errors: from errno numbers to the few that the protocol allows ("Error values").
#pragma once
#include <cerrno>
#include <cstdint>

#include "protocol/wire.hpp"

namespace ashlar::protocol {

// The wire's error for an errno number (0: error_none). `fast`: the request was a zero with FAST_ZERO, the only one
// that may be answered with ENOTSUP. EOVERFLOW is for the protocol itself to say (see admission.hpp), not for a
// backend.
constexpr std::uint32_t wire_error(int errno_number, bool fast) {
  switch (errno_number) {
    case 0: return error_none;
    case EPERM:
    case EACCES:
    case EROFS: return error_eperm;
    case ENOMEM: return error_enomem;
    case EINVAL:
    case EOVERFLOW: return error_einval;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return error_enospc;
    case ENOTSUP: return fast ? error_enotsup : error_einval;
    case ESHUTDOWN: return error_eshutdown;
    default: return error_eio;
  }
}

// The errno number of an error of the wire: the protocol has taken Linux's.
constexpr int errno_of(std::uint32_t error) { return static_cast<int>(error); }
static_assert(errno_of(error_eperm) == EPERM && errno_of(error_eio) == EIO && errno_of(error_enomem) == ENOMEM &&
              errno_of(error_einval) == EINVAL && errno_of(error_enospc) == ENOSPC &&
              errno_of(error_eoverflow) == EOVERFLOW && errno_of(error_enotsup) == ENOTSUP &&
              errno_of(error_eshutdown) == ESHUTDOWN);

// A few words for people on an error of the wire. Constant, never null.
constexpr const char* error_text(std::uint32_t error) {
  switch (error) {
    case error_none: return "success";
    case error_eperm: return "operation not permitted";
    case error_eio: return "input/output error";
    case error_enomem: return "out of memory";
    case error_einval: return "invalid request";
    case error_enospc: return "no space left on device";
    case error_eoverflow: return "request too large";
    case error_enotsup: return "operation not supported";
    case error_eshutdown: return "server is shutting down";
    default: return "unknown error";
  }
}

}  // namespace ashlar::protocol
