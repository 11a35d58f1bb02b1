// OpensslSocket: a client's connection by TLS over another Socket, with OpenSSL.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "socket/tls_socket.hpp"
#include "tls/credentials.hpp"

namespace ashlar::host {

// OpenSSL lets no two threads use a connection at once, so each holds a lock while it encrypts or decrypts, and none
// while it waits for the client. Who sends has the turn to send, also while it waits. What OpenSSL wants to tell the
// client by itself, and the end that abort() wants, is sent at once by whoever finds the turn free, else by who has it,
// behind what it sends. What is received comes in large pieces, and what is sent goes out in pieces of up to
// 64 KiB, each encrypted straight from where it lies. Where the kernel encrypts (kTLS), what is sent goes to it as it
// is.
class OpensslSocket final : public TlsSocket {
 public:
  // `methods`: of a BIO of this class, see make_methods(). It and `connection` outlive the socket. `is_tcp`: the
  // kernel may encrypt.
  OpensslSocket(Socket& connection, bool is_tcp, std::shared_ptr<const Credentials> credentials, BIO_METHOD* methods);
  ~OpensslSocket() override;
  static BioMethodPtr make_methods();

  Step shake_hands() override;
  std::string failure() const override { return failure_; }
  TlsIdentity identity() const override { return identity_; }
  std::size_t buffer_bytes() const override;

  ssize_t receive(std::span<std::byte> into, Wait wait) override;
  bool has_input() override;
  bool wait_for_input() override;
  bool holds_input() const override { return holds_; }
  void rest() override;
  bool is_gone() override { return connection_.is_gone(); }
  int watched_descriptor() const override { return connection_.watched_descriptor(); }
  ssize_t send(std::span<const iovec> parts, Wait wait, bool more) override;
  bool can_send_files() const override { return true; }
  FileSent send_file(int fd, std::uint64_t offset, std::size_t length) override;
  void abort() override;
  void finish() noexcept override;

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t record = 16 * 1024;     // the most that one record of TLS carries
  static constexpr std::size_t batch = 64 * 1024;      // bytes encrypted before they are sent: they stay in the cache
  static constexpr std::size_t record_overhead = 128;  // more than any cipher adds
  // Encrypted bytes that wait to be sent: a batch is added where a batch is not yet full.
  static constexpr std::size_t most_unsent = 2 * (batch + batch / record * record_overhead);
  static constexpr std::size_t most_after_abort = 4 << 20;
  class Gathered;
  class Turn;

  static int read_bio(BIO* bio, char* into, std::size_t room, std::size_t* read);
  static int write_bio(BIO* bio, const char* bytes, std::size_t count, std::size_t* written);
  static long control_bio(BIO* bio, int command, long, void*);

  Step secured();
  Step waits();
  void note_failure();
  ssize_t fetch(Wait wait);
  bool has_fetched() const { return fetched_begin_ != fetched_end_; }
  bool may_go_on(std::size_t bytes);
  ssize_t take(std::byte* into, std::size_t room);
  void answer_new_keys();
  ssize_t decrypt(std::span<std::byte> into);
  ssize_t decrypt_until_pause(std::span<std::byte> into);
  ssize_t end_of_stream() const;
  ssize_t ended(int result);
  bool peek();
  bool peek_until_pause();
  void free_buffers();
  void catch_up() noexcept;
  void send_made();
  bool end_at_once();
  bool may_tell_end() const;
  void tell_end() noexcept;
  void take_made() noexcept;

  template <class Encrypt>
  ssize_t transfer(std::size_t length, Wait wait, bool more, Encrypt encrypt);
  ssize_t encrypt(std::span<const std::byte> bytes);
  ssize_t read_file(int fd, std::uint64_t offset, std::size_t length);
  int push(Wait wait, bool more);
  bool has_unsent() const { return unsent_begin_ != unsent_.size(); }

  Socket& connection_;
  const std::shared_ptr<const Credentials> credentials_;
  Claims claims_;
  bool is_secured_ = false;
  bool kernel_sends_ = false;
  std::string failure_;
  TlsIdentity identity_;

  std::mutex turn_;  // to send; taken before mutex_
  std::atomic<bool> is_aborted_{false};
  bool has_ended_ = false;  // nothing more may be sent [who has the turn]

  std::mutex mutex_;
  // [under the lock]
  SslPtr ssl_;
  std::vector<std::byte> made_;              // encrypted while nobody was sending: an alert, an answer to a new key
  std::vector<std::byte>* output_ = &made_;  // where what is encrypted goes
  bool is_broken_ = false;                   // OpenSSL has failed: no more may be encrypted
  bool is_flooded_ = false;                  // that was because made_ had no room
  std::atomic<bool> has_news_{false};        // made_ is to be sent at once

  // [the receiving thread]
  std::unique_ptr<std::byte[]> fetched_;
  std::size_t fetched_begin_ = 0, fetched_end_ = 0;
  bool kernel_is_empty_ = false;  // the last receive() of the connection took all
  bool at_end_ = false;           // of the connection's stream
  int receive_error_ = 0;
  bool has_let_abort_ = false;                       // see may_go_on()
  bool is_left_off_ = false;                         // nothing more is taken
  std::size_t left_after_abort_ = most_after_abort;  // bytes, until there is something for the session
  bool holds_ = false;                               // decrypted bytes, or such that may be
  bool has_paused_ = false;  // OpenSSL got no more of what was fetched, so that made_ is sent first

  // [who has the turn]
  std::vector<std::byte> unsent_;  // encrypted
  std::size_t unsent_begin_ = 0;
  bool made_waits_ = false;         // has_news_ is to be set when nothing is unsent any more
  std::size_t ahead_ = 0;           // bytes that were encrypted, but not told as taken: they come again
  std::vector<std::byte> scratch_;  // what is gathered, or read from a file, to be encrypted
};

}  // namespace ashlar::host
