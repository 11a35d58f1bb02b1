#include "tls/openssl_socket.hpp"

#include <openssl/err.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t fetch_size = 128 * 1024;  // what is received at once, at most
// Bytes that OpenSSL makes by itself behind the handshake: answers to a client that changes keys, which are some 30
// bytes each. From `much_made` on they are sent before more is decrypted. More than the most are there only when a
// client wants answers and takes none.
constexpr std::size_t much_made = 2048, most_made = 32 * 1024;

bool has_user_key(SSL* ssl) {
  if (::SSL_version(ssl) >= TLS1_3_VERSION) return ::SSL_session_reused(ssl) == 1;  // nothing else can be resumed
  return is_for_keys(::SSL_get_current_cipher(ssl));
}

}  // namespace

// ---- What OpenSSL sees of the connection ----

BioMethodPtr OpensslSocket::make_methods() {
  BioMethodPtr methods(or_bad_alloc(::BIO_meth_new(BIO_TYPE_SOURCE_SINK | ::BIO_get_new_index(), "ashlar socket")));
  ::BIO_meth_set_read_ex(methods.get(), read_bio);
  ::BIO_meth_set_write_ex(methods.get(), write_bio);
  ::BIO_meth_set_ctrl(methods.get(), control_bio);
  return methods;
}

int OpensslSocket::read_bio(BIO* bio, char* into, std::size_t room, std::size_t* read) {
  auto& self = *static_cast<OpensslSocket*>(::BIO_get_data(bio));
  ::BIO_clear_retry_flags(bio);
  const ssize_t n = self.take(reinterpret_cast<std::byte*>(into), room);
  *read = n > 0 ? static_cast<std::size_t>(n) : 0;
  if (n == -EAGAIN) ::BIO_set_retry_read(bio);
  return n > 0 ? 1 : 0;
}

// Whether `bytes` more may be taken although the connection is to be broken: once not of each piece that is fetched, so
// that it can be; who breaks it may just have met this thread decrypting. Then what has come, unless it is nothing but
// what OpenSSL answers by itself: that could go on for ever. [under the lock]
bool OpensslSocket::may_go_on(std::size_t bytes) {
  if (!std::exchange(has_let_abort_, true)) return false;
  is_left_off_ = bytes > left_after_abort_;
  if (!is_left_off_) left_after_abort_ -= bytes;
  return !is_left_off_;
}

// What has been fetched, then what the connection has; -EAGAIN: nothing more at present. [under the lock]
ssize_t OpensslSocket::take(std::byte* into, std::size_t room) {
  if (is_secured_ && is_aborted_.load(std::memory_order_relaxed) && !may_go_on(room)) return -EAGAIN;
  if (made_.size() < much_made) {
    has_paused_ = false;
  } else if (is_secured_ && !has_paused_) {  // once: it may be that nothing can be sent now
    has_paused_ = true;
    return -EAGAIN;
  }
  if (const std::size_t here = std::min(room, fetched_end_ - fetched_begin_); here != 0) {
    std::memcpy(into, fetched_.get() + fetched_begin_, here);
    fetched_begin_ += here;
    return static_cast<ssize_t>(here);
  }
  if (kernel_is_empty_) return -EAGAIN;
  const ssize_t n = fetch(Wait::no);
  return n > 0 ? take(into, room) : n;
}

int OpensslSocket::write_bio(BIO* bio, const char* bytes, std::size_t count, std::size_t* written) {
  auto& self = *static_cast<OpensslSocket*>(::BIO_get_data(bio));
  ::BIO_clear_retry_flags(bio);
  if (self.is_secured_ && self.output_ == &self.made_ && self.made_.size() + count > most_made) {
    self.is_flooded_ = true;
    return 0;
  }
  const auto* const from = reinterpret_cast<const std::byte*>(bytes);
  try {
    self.output_->insert(self.output_->end(), from, from + count);
  } catch (const std::bad_alloc&) {
    return 0;
  }
  if (self.is_secured_ && self.output_ == &self.made_) self.has_news_.store(true, std::memory_order_relaxed);
  *written = count;
  return 1;
}

long OpensslSocket::control_bio(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return static_cast<OpensslSocket*>(::BIO_get_data(bio))->at_end_ ? 1 : 0;
  return 0;
}

// ---- The handshake ----

OpensslSocket::OpensslSocket(Socket& connection, bool is_tcp, std::shared_ptr<const Credentials> credentials,
                             BIO_METHOD* methods)
    : connection_(connection), credentials_(std::move(credentials)), ssl_(credentials_->make_ssl(claims_)) {
  BioPtr bio(or_bad_alloc(::BIO_new(methods)));
  ::BIO_set_data(bio.get(), this);
  ::BIO_set_init(bio.get(), 1);
  // The kernel encrypts only what OpenSSL itself sends to it.
  const bool try_kernel = is_tcp && (::SSL_get_options(ssl_.get()) & SSL_OP_ENABLE_KTLS) != 0;
  if (try_kernel) {
    BIO* const direct = or_bad_alloc(::BIO_new_socket(connection_.watched_descriptor(), BIO_NOCLOSE));
    ::SSL_set0_wbio(ssl_.get(), direct);
  } else {
    ::BIO_up_ref(bio.get());
    ::SSL_set0_wbio(ssl_.get(), bio.get());
  }
  ::SSL_set0_rbio(ssl_.get(), bio.release());
}

OpensslSocket::~OpensslSocket() = default;

TlsSocket::Step OpensslSocket::shake_hands() {
  const auto end = Clock::now() + patience;
  for (;;) {
    int result = 0, error = SSL_ERROR_NONE;
    {
      const std::lock_guard lock(mutex_);
      ::ERR_clear_error();
      result = ::SSL_accept(ssl_.get());
      error = ::SSL_get_error(ssl_.get(), result);
      if (result != 1 && error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) note_failure();
      unsent_.insert(unsent_.end(), made_.begin(), made_.end());
      made_.clear();
    }
    const bool failed = is_broken_;
    while (has_unsent()) {
      const int trouble = push(Wait::yes, false);
      if (failed || (trouble != 0 && trouble != EAGAIN)) break;
    }
    if (failed || has_unsent()) return Step::failed;
    if (result == 1) return secured();
    if (Clock::now() >= end) return waits();
    const ssize_t came = error == SSL_ERROR_WANT_READ ? fetch(Wait::yes) : 1;
    if (came == -EAGAIN) return waits();
    if (came <= 0) {
      const std::lock_guard lock(mutex_);
      note_failure();
      return Step::failed;
    }
  }
}

// Many clients may dawdle at once.
TlsSocket::Step OpensslSocket::waits() {
  if (!has_fetched()) fetched_.reset();
  return Step::waits;
}

// The handshake has failed. A client that finds its key unwanted may go without a word. [under the lock]
void OpensslSocket::note_failure() {
  is_broken_ = true;
  const unsigned long code = ::ERR_peek_last_error();
  const std::string why = openssl_error();
  const bool gone = at_end_ || receive_error_ != 0;
  const std::string user = "user " + in_quotes(claims_.user);
  if (!claims_.refused.empty() && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
    failure_ = "certificate " + in_quotes(claims_.refused) + ": " +
               ::X509_verify_cert_error_string(::SSL_get_verify_result(ssl_.get()));
  else if (!claims_.user.empty() && !claims_.user_is_known) failure_ = user + " is not known";
  else if (!gone) failure_ = claims_.user.empty() ? why : user + ": " + why;
}

// The handshake is done.
TlsSocket::Step OpensslSocket::secured() {
  SSL* const ssl = ssl_.get();
  if (has_user_key(ssl)) identity_.psk = claims_.user;
  else if (X509* own = ::SSL_get0_peer_certificate(ssl); own != nullptr)
    identity_.name = distinguished_name(::X509_get_subject_name(own));
  kernel_sends_ = BIO_get_ktls_send(::SSL_get_wbio(ssl));
  if (!kernel_sends_) {
    BIO* const ours = ::SSL_get_rbio(ssl);
    ::BIO_up_ref(ours);
    ::SSL_set0_wbio(ssl, ours);
  }
  is_secured_ = true;
  holds_ = true;  // the client may have sent more behind its last message
  rest();
  return Step::done;
}

// OpenSSL itself keeps a record for each direction.
std::size_t OpensslSocket::buffer_bytes() const {
  return fetch_size + most_unsent + most_made + batch + 2 * (record + record_overhead);
}

// ---- Receiving ----

// Receives what the connection has to be decrypted. All that was fetched before is. OpenSSL would move everything in a
// large buffer of its own to the front for each record that it takes.
ssize_t OpensslSocket::fetch(Wait wait) {
  if (!fetched_) fetched_ = std::make_unique_for_overwrite<std::byte[]>(fetch_size);
  const ssize_t n = connection_.receive({fetched_.get(), fetch_size}, wait);
  if (n == 0) at_end_ = true;
  if (n < 0 && n != -EAGAIN) receive_error_ = static_cast<int>(-n);
  kernel_is_empty_ = n == -EAGAIN || (n > 0 && static_cast<std::size_t>(n) < fetch_size);
  if (n <= 0) return n;
  fetched_begin_ = 0;
  fetched_end_ = static_cast<std::size_t>(n);
  has_let_abort_ = false;
  holds_ = true;
  return n;
}

// The connection's stream has ended. Many clients do that without a word of TLS; but nobody who is well does it within
// a record: in its body, or in the header, a part of which OpenSSL keeps. [under the lock]
ssize_t OpensslSocket::end_of_stream() const {
  const bool in_body = std::strcmp(::SSL_rstate_string(ssl_.get()), "RB") == 0;
  return in_body || ::SSL_has_pending(ssl_.get()) == 1 ? -EBADMSG : 0;
}

// What a call that gave nothing has met: -EAGAIN, 0 at the stream's end, or an error. [under the lock]
ssize_t OpensslSocket::ended(int result) {
  const int error = ::SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return -EAGAIN;
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  is_broken_ = true;
  ::ERR_clear_error();
  if (is_flooded_) return -ENOBUFS;
  if (at_end_) return end_of_stream();
  return receive_error_ != 0 ? -receive_error_ : -EPROTO;
}

// A client that wants new keys from the server, too, gets them at once: OpenSSL would keep them until something is
// sent. What the kernel encrypts goes on with its key. [under the lock]
void OpensslSocket::answer_new_keys() {
  if (kernel_sends_ || is_broken_ || ::SSL_get_key_update_type(ssl_.get()) == SSL_KEY_UPDATE_NONE) return;
  if (::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1 || ::SSL_do_handshake(ssl_.get()) != 1)
    is_broken_ = true;
  ::ERR_clear_error();
}

ssize_t OpensslSocket::decrypt(std::span<std::byte> into) {
  ssize_t n;
  do {
    n = decrypt_until_pause(into);
    catch_up();
    if (n == -EAGAIN && is_left_off_) return -ECONNABORTED;
  } while (n == -EAGAIN && has_fetched());
  return n;
}

ssize_t OpensslSocket::decrypt_until_pause(std::span<std::byte> into) {
  const std::lock_guard lock(mutex_);
  ::ERR_clear_error();
  std::size_t count = 0;
  while (count < into.size()) {
    std::size_t n = 0;
    const int result = ::SSL_read_ex(ssl_.get(), into.data() + count, into.size() - count, &n);
    if (result != 1) {
      const ssize_t why = ended(result);
      if (why == -EAGAIN) answer_new_keys();
      holds_ = why != -EAGAIN || has_fetched();  // the end comes again
      return count != 0 ? static_cast<ssize_t>(count) : why;
    }
    count += n;
    left_after_abort_ = most_after_abort;
  }
  holds_ = ::SSL_has_pending(ssl_.get()) != 0 || has_fetched();
  return static_cast<ssize_t>(count);
}

ssize_t OpensslSocket::receive(std::span<std::byte> into, Wait wait) {
  if (holds_) {
    const ssize_t n = decrypt(into);
    if (n != -EAGAIN) return n;
  }
  const auto end = wait == Wait::yes ? Clock::now() + patience : Clock::time_point();
  do {
    const ssize_t came = fetch(wait);
    if (came < 0) return came;
    if (came == 0) {
      const std::lock_guard lock(mutex_);
      return end_of_stream();
    }
    if (const ssize_t n = decrypt(into); n != -EAGAIN) return n;
  } while (wait == Wait::yes && Clock::now() < end);
  return -EAGAIN;
}

// Whether there are decrypted bytes, or the end of the stream.
bool OpensslSocket::peek() {
  if (!holds_) return false;
  bool is_there;
  do {
    is_there = peek_until_pause();
    catch_up();
    if (is_left_off_) return true;  // the end
  } while (!is_there && holds_);
  return is_there;
}

bool OpensslSocket::peek_until_pause() {
  const std::lock_guard lock(mutex_);
  ::ERR_clear_error();
  std::byte one;
  std::size_t n = 0;
  const int result = ::SSL_peek_ex(ssl_.get(), &one, 1, &n);
  const bool is_there = result == 1 || ended(result) != -EAGAIN;
  if (!is_there) answer_new_keys();
  holds_ = is_there || has_fetched();
  return is_there;
}

bool OpensslSocket::has_input() {
  if (peek()) return true;
  const ssize_t came = fetch(Wait::no);
  return came > 0 ? peek() : came != -EAGAIN;
}

bool OpensslSocket::wait_for_input() { return peek() || connection_.wait_for_input(); }

}  // namespace ashlar::host
