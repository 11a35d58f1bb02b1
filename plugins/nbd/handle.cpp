#include "handle.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>
#include <system_error>

using namespace ashlar;

namespace {

constexpr char base_allocation[] = LIBNBD_CONTEXT_BASE_ALLOCATION;
[[maybe_unused]] constexpr char no_service[] = "ashlar-no-service";

// libnbd begins with the name of its function, which means nothing to an operator.
std::string last_error() {
  const char* const text = ::nbd_get_error();
  if (text == nullptr) return "libnbd does not say why";
  const std::string_view all = text;
  const std::size_t colon = all.find(": ");
  return std::string(all.starts_with("nbd_") && colon != all.npos ? all.substr(colon + 2) : all);
}

void must(int result) {
  if (result == -1) throw Unreachable(last_error());
}

// `error`: libnbd's errno number.
[[noreturn]] void fail_handshake(const std::string& why, int error) {
  if (error == ENOENT) throw NoExport(why);
  throw Unreachable(why);
}

int chunk_came(void* of, const void*, std::size_t count, std::uint64_t offset, unsigned status, int* error) {
  if (status == LIBNBD_READ_ERROR) return 0;
  try {
    static_cast<Request*>(of)->coverage.add(offset, count);
    return 0;
  } catch (const std::bad_alloc&) {
    *error = ENOMEM;
    return -1;
  }
}

int extents_came(void* of, const char* context, std::uint64_t, std::uint32_t* entries, std::size_t n, int* error) {
  if (std::string_view(context) != base_allocation) return 0;
  try {
    for (std::size_t i = 0; i + 1 < n; i += 2)
      static_cast<Request*>(of)->extents.emplace_back(entries[i], entries[i + 1]);
    return 0;
  } catch (const std::bad_alloc&) {
    *error = ENOMEM;
    return -1;
  }
}

}  // namespace

Handle::Handle(const Settings& settings, int socket, const Patience& patience, bool lists)
    : handle_([&] {
        nbd_handle* const made = ::nbd_create();
        if (made == nullptr) ::close(socket);
        return made;
      }()) {
  if (handle_ == nullptr) throw std::bad_alloc();
  try {
    set_up(settings, lists);
  } catch (...) {
    ::close(socket);
    throw;
  }
  shake_hands(settings, socket, patience, lists);
  if (!lists) learn(settings);
}

void Handle::set_up(const Settings& settings, bool lists) {
  nbd_handle* const h = handle_.get();
  must(::nbd_set_export_name(h, settings.export_name.c_str()));
  must(::nbd_add_meta_context(h, base_allocation));
  must(::nbd_set_pread_initialize(h, false));  // Coverage tells what has not come
  // A disk may end within a block; which requests there are the host has checked.
  must(::nbd_set_strict_mode(h, LIBNBD_STRICT_COMMANDS | LIBNBD_STRICT_FLAGS));
  if (lists) must(::nbd_set_opt_mode(h, true));
  set_up_tls(settings);
}

void Handle::set_up_tls(const Settings& settings) {
  nbd_handle* const h = handle_.get();
  switch (settings.tls) {
    case Settings::Tls::off: must(::nbd_set_tls(h, LIBNBD_TLS_DISABLE)); return;
    case Settings::Tls::allow: must(::nbd_set_tls(h, LIBNBD_TLS_ALLOW)); break;
    case Settings::Tls::require: must(::nbd_set_tls(h, LIBNBD_TLS_REQUIRE)); break;
  }
  must(::nbd_set_tls_verify_peer(h, settings.verify));
  if (!settings.psk.empty()) {
    // libnbd tells of one that is missing as of an export that is.
    if (::access(settings.psk.c_str(), R_OK) != 0) throw Unreachable(settings.psk + " cannot be read");
    must(::nbd_set_tls_psk_file(h, settings.psk.c_str()));
    must(::nbd_set_tls_username(h, settings.user.c_str()));
  } else if (!settings.certificates.empty()) {
    // Where it is missing, libnbd takes the authorities of the system and verifies no name.
    if (::access((settings.certificates + "/ca-cert.pem").c_str(), R_OK) != 0)
      throw Unreachable(settings.certificates + "/ca-cert.pem cannot be read");
    must(::nbd_set_tls_certificates(h, settings.certificates.c_str()));
  }
  if (settings.names_server()) name_server(settings.server_name);
}

// libnbd compares a certificate with the name of the host that it was told to connect to, and with none over a socket
// that it is given. (1.14) So it is told of that host and of a service that there is not, which fails before anything
// is looked up, and leaves the handle as new, but with the name.
void Handle::name_server(const std::string& name) {
#if defined(LIBNBD_HAVE_NBD_SET_TLS_HOSTNAME)
  must(::nbd_set_tls_hostname(handle_.get(), name.c_str()));
#else
  static_cast<void>(::nbd_aio_connect_tcp(handle_.get(), name.c_str(), no_service));
#endif
}

// A libnbd that has not kept the name would verify nothing. It tells of it once it is connected.
bool Handle::has_kept_name() const {
#if defined(LIBNBD_HAVE_NBD_SET_TLS_HOSTNAME)
  return true;
#else
  const std::unique_ptr<char, void (*)(void*)> uri(::nbd_get_uri(handle_.get()), &std::free);
  return uri != nullptr && std::string_view(uri.get()).find(no_service) != std::string_view::npos;
#endif
}

void Handle::shake_hands(const Settings& settings, int socket, const Patience& patience, bool lists) {
  nbd_handle* const h = handle_.get();
  // A server that is quick may have said all before this returns.
  if (::nbd_aio_connect_socket(h, socket) == -1) fail_handshake(last_error(), ::nbd_get_errno());
  if (settings.names_server() && !is_over() && !has_kept_name())
    throw Unreachable("this libnbd cannot be told whom a certificate must name");
  while (::nbd_aio_is_ready(h) != 1 && !(lists && ::nbd_aio_is_negotiating(h) == 1)) {
    if (is_over()) fail_handshake(why_over(), error_over_);
    const short ready = patience.wait(fd(), events());
    if (ready != 0) move_once(ready);
  }
}

void Handle::learn(const Settings& settings) {
  nbd_handle* const h = handle_.get();
  const std::int64_t size = ::nbd_get_size(h);
  if (size < 0) throw Unreachable(too_long);  // no error of libnbd's: it hands on what the server has said
  facts_.size = static_cast<std::uint64_t>(size);
  const auto block = [h](int which) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(::nbd_get_block_size(h, which), 0));
  };
  facts_.minimum = block(LIBNBD_SIZE_MINIMUM);
  facts_.preferred = block(LIBNBD_SIZE_PREFERRED);
  facts_.maximum = block(LIBNBD_SIZE_MAXIMUM);
  facts_.read_only = ::nbd_is_read_only(h) == 1 || settings.read_only;
  facts_.rotational = ::nbd_is_rotational(h) == 1;
  facts_.multi_conn = ::nbd_can_multi_conn(h) == 1;
  facts_.ops = Op::read;
  if (::nbd_can_cache(h) == 1) facts_.ops |= Op::cache;
  if (::nbd_can_meta_context(h, base_allocation) == 1) facts_.ops |= Op::extents;
  if (::nbd_can_flush(h) == 1) facts_.ops |= Op::flush;
  if (facts_.read_only) return;
  facts_.ops |= Op::write;
  if (::nbd_can_trim(h) == 1) facts_.ops |= Op::trim;
  if (::nbd_can_zero(h) == 1) facts_.ops |= Op::zero;
  facts_.fua = ::nbd_can_fua(h) == 1;
  facts_.fast_zero = ::nbd_can_fast_zero(h) == 1;
}

void Handle::list(const Each& each, const Patience& patience) {
  struct Listing {
    const Each& each;
    bool failed = false;
    int error = -1;  // -1: not yet
  } listing{each};
  const nbd_list_callback found{[](void* of, const char* name, const char* description) {
                                  auto& self = *static_cast<Listing*>(of);
                                  try {
                                    self.each(name, description);
                                  } catch (...) {
                                    self.failed = true;
                                  }
                                  return 0;
                                },
                                &listing, nullptr};
  const nbd_completion_callback over{[](void* of, int* error) {
                                       static_cast<Listing*>(of)->error = *error;
                                       return 1;
                                     },
                                     &listing, nullptr};
  must(::nbd_aio_opt_list(handle_.get(), found, over));
  while (listing.error == -1) {
    if (is_over()) throw Unreachable(why_over());
    const short ready = patience.wait(fd(), events());
    if (ready != 0) move_once(ready);
  }
  if (listing.failed) throw std::bad_alloc();
  if (listing.error != 0) throw Unreachable("the server does not list its exports");
  static_cast<void>(::nbd_aio_opt_abort(handle_.get()));
}

short Handle::events() const noexcept {
  const unsigned direction = ::nbd_aio_get_direction(handle_.get());
  return static_cast<short>(((direction & LIBNBD_AIO_DIRECTION_READ) != 0 ? POLLIN : 0) |
                            ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0 ? POLLOUT : 0));
}

bool Handle::is_over() const noexcept {
  return ::nbd_aio_is_dead(handle_.get()) == 1 || ::nbd_aio_is_closed(handle_.get()) == 1;
}

// A reading of what has come goes before: so says libnbd of one that is ready for both.
void Handle::move_once(short events) noexcept {
  if (is_over()) return;
  nbd_handle* const h = handle_.get();
  const unsigned direction = ::nbd_aio_get_direction(h);
  int result = 0;
  if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && (direction & LIBNBD_AIO_DIRECTION_READ) != 0)
    result = ::nbd_aio_notify_read(h);
  else if ((events & POLLOUT) != 0 && (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) result = ::nbd_aio_notify_write(h);
  else if ((events & (POLLHUP | POLLERR)) != 0) result = ::nbd_aio_notify_write(h);
  if (result == -1 && is_over()) note_end();
}

// [behind the call in which the connection has ended] libnbd's last error says why.
void Handle::note_end() noexcept {
  if (!why_over_.empty()) return;
  try {
    why_over_ = last_error();
    error_over_ = ::nbd_get_errno();
  } catch (const std::bad_alloc&) {
    // It is over all the same.
  }
}

// libnbd takes one answer at a time, and must not be told to read when nothing has come. To peek costs less than to
// wait anew.
void Handle::move(short events) noexcept {
  move_once(events);
  char byte = 0;
  while (!is_over() && (this->events() & POLLIN) != 0 && ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
    move_once(POLLIN);
}

int Handle::send(Request& r, Done done) noexcept {
  nbd_handle* const h = handle_.get();
  const nbd_completion_callback over{done, &r, nullptr};
  const std::uint32_t flags = r.flags;
  std::int64_t cookie = -1;
  switch (r.kind) {
    case Request::Kind::connection: return EINVAL;
    case Request::Kind::read:
      r.coverage.begin(r.offset, r.length);
      cookie = ::nbd_aio_pread_structured(h, r.data, r.length, r.offset, {chunk_came, &r, nullptr}, over, flags);
      break;
    case Request::Kind::write: cookie = ::nbd_aio_pwrite(h, r.data, r.length, r.offset, over, flags); break;
    case Request::Kind::flush: cookie = ::nbd_aio_flush(h, over, flags); break;
    case Request::Kind::trim: cookie = ::nbd_aio_trim(h, r.length, r.offset, over, flags); break;
    case Request::Kind::zero: cookie = ::nbd_aio_zero(h, r.length, r.offset, over, flags); break;
    case Request::Kind::cache: cookie = ::nbd_aio_cache(h, r.length, r.offset, over, flags); break;
    case Request::Kind::extents:
      r.extents.clear();
      cookie = ::nbd_aio_block_status(h, r.length, r.offset, {extents_came, &r, nullptr}, over, flags);
      break;
  }
  const int error = cookie == -1 ? ::nbd_get_errno() : 0;
  // libnbd takes a request also where to send it has broken the connection.
  if (::nbd_aio_is_dead(h) == 1) note_end();
  if (cookie != -1) return 0;
  return error != 0 ? error : EIO;
}

void Handle::flush(const Patience& patience) {
  if (!facts_.ops.has(Op::flush)) return;
  struct Flush {
    bool over = false;
    int error = 0;
  } flush;
  const nbd_completion_callback over{[](void* of, int* error) {
                                       *static_cast<Flush*>(of) = {true, *error};
                                       return 1;
                                     },
                                     &flush, nullptr};
  must(::nbd_aio_flush(handle_.get(), over, 0) == -1 ? -1 : 0);
  while (!flush.over) {
    if (is_over()) throw Unreachable(why_over());
    const short ready = patience.wait(fd(), events());
    if (ready != 0) move_once(ready);
  }
  if (flush.error != 0) throw Unreachable(std::generic_category().message(flush.error));
}

void Handle::say_goodbye(const Patience& patience) {
  if (!is_over()) must(::nbd_aio_disconnect(handle_.get(), 0));
  while (!is_over()) {
    const short ready = patience.wait(fd(), events());
    if (ready != 0) move_once(ready);
  }
}
