// By TLS.
#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>

#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "raw_client.hpp"
#include "socket/kernel_socket.hpp"
#include "tls/issue.hpp"
#include "tls/openssl_socket.hpp"
#include "unit/temp_folder.hpp"
#include "wire.hpp"

namespace ashlar::host {

namespace {

// The same for all connections of a program.
struct TlsForTests {
  TlsForTests() {
    const PemPair authority = make_authority("test", 1);
    const PemPair own = issue(authority, {Subject::Kind::server, "localhost", {"localhost"}}, 1);
    folder.write("server-cert.pem", own.certificate);
    folder.write("server-key.pem", own.key);
    Config config;
    config.server.tls.mode = TlsConfig::Mode::require;
    config.server.tls.certificates = folder.path();
    config.server.tls.verify_client = false;
    std::vector<std::string> warnings;
    credentials = Credentials::read(config, warnings);
  }
  static TlsForTests& get() {
    static TlsForTests one;
    return one;
  }

  TempFolder folder;
  std::shared_ptr<const Credentials> credentials;
  BioMethodPtr methods = OpensslSocket::make_methods();
  SslContextPtr client{::SSL_CTX_new(::TLS_client_method())};
};

// The client's end, over a descriptor that it does not own. Its calls may come from several threads.
class TlsClient {
 public:
  explicit TlsClient(int fd) : fd_(fd), ssl_(::SSL_new(TlsForTests::get().client.get())) {
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
    ::SSL_set_fd(ssl_.get(), fd_);
    ::SSL_set_connect_state(ssl_.get());
  }
  bool shake_hands() {
    return until_done([&] { return ::SSL_do_handshake(ssl_.get()); }) == 1;
  }
  bool send(std::span<const std::byte> bytes) {
    return bytes.empty() || until_done([&] { return ::SSL_write(ssl_.get(), bytes.data(), int(bytes.size())); }) > 0;
  }
  // At most as many; 0: the stream has ended, or nothing has come in time.
  std::size_t receive(std::span<std::byte> into) {
    const int n = until_done([&] { return ::SSL_read(ssl_.get(), into.data(), int(into.size())); });
    return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
  void limit_waiting(int milliseconds) { patience_ = milliseconds; }
  std::vector<std::byte> new_keys(int times) {
    const BioPtr out(::BIO_new(::BIO_s_mem()));
    const std::lock_guard lock(mutex_);
    BIO* const own = ::SSL_get_wbio(ssl_.get());
    ::BIO_up_ref(own);
    ::BIO_up_ref(out.get());
    ::SSL_set0_wbio(ssl_.get(), out.get());
    for (int i = 0; i < times; ++i) {
      ::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
      ::SSL_do_handshake(ssl_.get());
    }
    ::SSL_set0_wbio(ssl_.get(), own);
    const std::string text = text_of(out.get());
    const auto* const bytes = reinterpret_cast<const std::byte*>(text.data());
    return {bytes, bytes + text.size()};
  }

 private:
  template <class Call>
  int until_done(Call call) {
    for (;;) {
      short events = 0;
      {
        const std::lock_guard lock(mutex_);
        ::ERR_clear_error();
        const int result = call();
        if (result > 0) return result;
        const int error = ::SSL_get_error(ssl_.get(), result);
        if (error == SSL_ERROR_WANT_READ) events = POLLIN;
        else if (error == SSL_ERROR_WANT_WRITE) events = POLLOUT;
        else return result;
      }
      pollfd watched{.fd = fd_, .events = events, .revents = 0};
      if (::poll(&watched, 1, patience_) == 0) return 0;
    }
  }

  const int fd_;
  std::mutex mutex_;
  SslPtr ssl_;
  int patience_ = -1;
};

// The server's end, with the connection below it.
class SecuredSocket final : public Socket {
 public:
  SecuredSocket(int fd, TlsClient& client) : connection_(fd) {
    std::thread other([&] { client.shake_hands(); });
    TlsSocket::Step step;
    do step = tls_.shake_hands();
    while (step == TlsSocket::Step::waits);
    other.join();
    if (step != TlsSocket::Step::done) throw std::runtime_error("no TLS: " + tls_.failure());
  }
  ssize_t receive(std::span<std::byte> into, Wait wait) override { return tls_.receive(into, wait); }
  bool has_input() override { return tls_.has_input(); }
  bool wait_for_input() override { return tls_.wait_for_input(); }
  bool holds_input() const override { return tls_.holds_input(); }
  void rest() override { tls_.rest(); }
  bool is_gone() override { return tls_.is_gone(); }
  int watched_descriptor() const override { return tls_.watched_descriptor(); }
  ssize_t send(std::span<const iovec> parts, Wait wait, bool more) override { return tls_.send(parts, wait, more); }
  bool can_send_files() const override { return tls_.can_send_files(); }
  FileSent send_file(int fd, std::uint64_t offset, std::size_t length) override {
    return tls_.send_file(fd, offset, length);
  }
  void abort() override { tls_.abort(); }
  void finish() noexcept override { tls_.finish(); }

 private:
  KernelSocket connection_;
  OpensslSocket tls_{connection_, false, TlsForTests::get().credentials, TlsForTests::get().methods.get()};
};

// Bytes go as they are until the server's end is made.
class TlsWire final : public Wire {
 public:
  explicit TlsWire(int client) : client_(client) {}

  std::unique_ptr<Socket> make_socket(int server) override {
    return std::make_unique<SecuredSocket>(server, tls_.emplace(client_));
  }
  bool sends_files() const override { return true; }
  bool send(std::span<const std::byte> bytes) override { return tls_ ? tls_->send(bytes) : send_raw(client_, bytes); }
  std::size_t receive(std::span<std::byte> into) override {
    return tls_ ? tls_->receive(into) : receive_raw(client_, into);
  }
  void limit_waiting(int milliseconds) override {
    if (tls_) tls_->limit_waiting(milliseconds);
  }
  std::vector<std::byte> new_keys(int times) override {
    return tls_ ? tls_->new_keys(times) : std::vector<std::byte>();
  }

 private:
  const int client_;
  std::optional<TlsClient> tls_;
};

}  // namespace

std::unique_ptr<Wire> make_wire(int client) { return std::make_unique<TlsWire>(client); }

}  // namespace ashlar::host
