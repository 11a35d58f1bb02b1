// TlsSocket: a client's connection by TLS, and TlsServer, which makes them. The seam between the session and whatever
// speaks TLS for it.
#pragma once
#include <memory>
#include <string>

#include "socket/peer.hpp"
#include "socket/socket.hpp"

namespace ashlar::host {

// What is sent and received is what TLS carries. Before shake_hands() has returned Step::done only that, abort() and
// finish() may be called.
class TlsSocket : public Socket {
 public:
  enum class Step {
    done,    // the connection is secured
    waits,   // for the client, who has sent nothing for `patience`: call it again when there may be input
    failed,  // see failure(); the client has been told as TLS tells it
  };
  // Goes on with the handshake, waiting for the client for at most `patience`. [the thread that does all]
  virtual Step shake_hands() = 0;
  // Why the handshake failed, for the log; empty: the client has gone. Tells of no key.
  virtual std::string failure() const = 0;
  // Who the client is, once the connection is secured.
  virtual TlsIdentity identity() const = 0;
  // Bytes of buffers that it has at most, until rest().
  virtual std::size_t buffer_bytes() const = 0;
};

class TlsServer {
 public:
  virtual ~TlsServer() = default;
  // The server's side of TLS over `connection` to `peer`, which outlives it. Throws std::bad_alloc. [any thread]
  virtual std::unique_ptr<TlsSocket> accept(Socket& connection, const Peer& peer) = 0;
};

}  // namespace ashlar::host
