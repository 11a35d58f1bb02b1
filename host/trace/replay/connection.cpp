#include "trace/replay/connection.hpp"

#include <cerrno>
#include <ctime>
#include <stdexcept>

#include "config/text.hpp"
#include "trace/interrupt.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {
namespace {

// Of libnbd's questions: 1, 0, or -1 for an error.
bool yes(int answer) { return answer == 1; }

int finished(void* data, int* error) {
  auto& again = *static_cast<Again*>(data);
  again.done = monotonic_time();
  again.error = *error;
  again.finished = true;
  return 1;  // libnbd forgets it
}

int no_extent(void*, const char*, std::uint64_t, std::uint32_t*, std::size_t, int*) { return 0; }

std::uint32_t flags_of(const trace::Record& record) {
  std::uint32_t flags = 0;
  if (record.flags.has(Flag::fua)) flags |= LIBNBD_CMD_FLAG_FUA;
  if (record.op == Op::zero && !record.flags.has(Flag::may_trim)) flags |= LIBNBD_CMD_FLAG_NO_HOLE;
  if (record.op == Op::zero && record.flags.has(Flag::fast)) flags |= LIBNBD_CMD_FLAG_FAST_ZERO;
  if (record.op == Op::extents && record.flags.has(Flag::req_one)) flags |= LIBNBD_CMD_FLAG_REQ_ONE;
  return flags;
}

}  // namespace

std::uint64_t monotonic_time() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(time.tv_nsec);
}

Connection::Connection(const std::string& uri) : nbd_(lib_.create()) {
  if (nbd_ == nullptr) throw std::runtime_error(last_error());
  try {
    connect(uri);
    look_at_offers();
  } catch (...) {
    lib_.close(nbd_);
    throw;
  }
}

Connection::~Connection() { lib_.close(nbd_); }

std::string Connection::last_error() const {
  const char* const text = lib_.get_error();
  return text != nullptr ? text : "unknown error";
}

void Connection::lost() const {
  const char* const text = lib_.get_error();  // none when the server has closed it and nothing failed here
  throw ConnectionLost(std::string("the connection is lost: ") + (text != nullptr ? text : "the server has closed it"));
}

void Connection::connect(const std::string& uri) {
  lib_.set_strict_mode(nbd_, 0);              // it is the server that is to answer
  lib_.set_uri_allow_local_file(nbd_, true);  // for certificates
  lib_.add_meta_context(nbd_, LIBNBD_CONTEXT_BASE_ALLOCATION);
  if (lib_.aio_connect_uri(nbd_, uri.c_str()) != 0) {
    if (lib_.get_errno() == EINVAL) throw UsageError(in_quotes(uri) + ": " + last_error());
    throw std::runtime_error("cannot connect to " + in_quotes(uri) + ": " + last_error());
  }
  while (lib_.aio_is_connecting(nbd_)) {
    pollfd wait = wanted();
    ::poll(&wait, 1, 200);
    Interrupt::check();
    if ((wait.revents & POLLOUT) != 0 && lib_.aio_notify_write(nbd_) != 0) break;
    if ((wait.revents & ~POLLOUT) != 0 && lib_.aio_notify_read(nbd_) != 0) break;
  }
  if (!yes(lib_.aio_is_ready(nbd_)))
    throw std::runtime_error("cannot connect to " + in_quotes(uri) + ": " + last_error());
}

void Connection::look_at_offers() {
  const std::int64_t size = lib_.get_size(nbd_);
  if (size < 0) throw std::runtime_error(last_error());
  offers_.size = static_cast<std::uint64_t>(size);
  offers_.ops = Ops{Op::read};
  if (!yes(lib_.is_read_only(nbd_))) offers_.ops |= Ops{Op::write};
  if (yes(lib_.can_flush(nbd_))) offers_.ops |= Ops{Op::flush};
  if (yes(lib_.can_trim(nbd_))) offers_.ops |= Ops{Op::trim};
  if (yes(lib_.can_zero(nbd_))) offers_.ops |= Ops{Op::zero};
  if (yes(lib_.can_cache(nbd_))) offers_.ops |= Ops{Op::cache};
  if (yes(lib_.can_meta_context(nbd_, LIBNBD_CONTEXT_BASE_ALLOCATION))) offers_.ops |= Ops{Op::extents};
  if (yes(lib_.can_fua(nbd_))) offers_.flags |= Flag::fua;
  if (yes(lib_.can_fast_zero(nbd_))) offers_.flags |= Flag::fast;
  offers_.multi_conn = yes(lib_.can_multi_conn(nbd_));
}

void Connection::begin(Again& again) {
  const trace::Record& r = again.record;
  const nbd_completion_callback done{&finished, &again, nullptr};
  const std::uint32_t flags = flags_of(r);
  if (r.op == Op::read) again.bytes.resize(r.length);
  again.begun = monotonic_time();
  std::int64_t cookie = -1;
  switch (r.op) {
    case Op::read: cookie = lib_.aio_pread(nbd_, again.bytes.data(), r.length, r.offset, done, flags); break;
    case Op::write: cookie = lib_.aio_pwrite(nbd_, again.bytes.data(), r.length, r.offset, done, flags); break;
    case Op::flush: cookie = lib_.aio_flush(nbd_, done, flags); break;
    case Op::trim: cookie = lib_.aio_trim(nbd_, r.length, r.offset, done, flags); break;
    case Op::zero: cookie = lib_.aio_zero(nbd_, r.length, r.offset, done, flags); break;
    case Op::cache: cookie = lib_.aio_cache(nbd_, r.length, r.offset, done, flags); break;
    case Op::extents:
      cookie = lib_.aio_block_status(nbd_, r.length, r.offset, {&no_extent, nullptr, nullptr}, done, flags);
      break;
  }
  if (cookie < 0) lost();
}

pollfd Connection::wanted() const {
  const unsigned direction = lib_.aio_get_direction(nbd_);
  short events = 0;
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) events |= POLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) events |= POLLOUT;
  return {lib_.aio_get_fd(nbd_), events, 0};
}

void Connection::ready(short events) {
  const unsigned direction = lib_.aio_get_direction(nbd_);
  int failed = 0;
  if ((events & POLLOUT) != 0 && (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) failed = lib_.aio_notify_write(nbd_);
  else if (events != 0) failed = lib_.aio_notify_read(nbd_);
  if (failed != 0 || lib_.aio_is_dead(nbd_) || lib_.aio_is_closed(nbd_)) lost();
}

}  // namespace ashlar::host::traces
