// Stream: one connection to a server, plain or by TLS. Lean: what is sent plainly goes out in batches without being
// copied, and by TLS in whole records.
#pragma once
#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace ashlar::bench {

class Stream {
 public:
  // Connects to unix:PATH or tcp:HOST:PORT. All members throw std::runtime_error when the connection fails.
  explicit Stream(const std::string& address);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Speaks TLS from here on, with the certificate in `folder`: ca-cert.pem, client-cert.pem, client-key.pem.
  void secure(const std::string& folder);

  // All or nothing.
  void send_all(const void* bytes, std::size_t length);
  void receive_all(void* bytes, std::size_t length);
  // What can be sent at once of `count` parts: bytes, or -1 when that is nothing.
  ssize_t send_some(const iovec* parts, std::size_t count);
  // Waits for bytes; 0: the stream has ended.
  std::size_t receive_some(void* bytes, std::size_t room);
  // Waits until there is something to receive (true), or something can be sent.
  bool wait_for_either();

 private:
  struct Tls;
  ssize_t send_records(const iovec* parts, std::size_t count);
  void wait_for(short events);

  int fd_;
  std::unique_ptr<Tls> tls_;
  std::vector<std::byte> record_;  // what is sent next by TLS
};

}  // namespace ashlar::bench
