// Listener: one address where clients are accepted, tcp or unix. (Boost.Asio)
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "socket/peer.hpp"
#include "socket/socket.hpp"

namespace boost::asio {
class io_context;
}

namespace ashlar::host {

class Listener {
 public:
  // Called with a client's connection, and who it is. [the io thread]
  using Accepted = std::function<void(std::unique_ptr<Socket> socket, Peer peer)>;
  using Complaint = std::function<void(const std::string&)>;

  virtual ~Listener() = default;
  // Begins to accept. `complain` hears of clients that could not be accepted; accepting goes on after a pause.
  virtual void start(Accepted accepted, Complaint complain) = 0;
  // Accepts no more clients, closes the socket and removes a unix socket's file. The io_context may keep the listener
  // for a moment.
  virtual void stop() = 0;
  // Of tcp clients that are accepted from now on, see KernelSocket::Options.
  virtual void set_keepalive(unsigned seconds) = 0;
  // The address as a client would use it, with the actual port: "tcp:127.0.0.1:10809", "unix:/run/ashlar.sock",
  // "unix:@ashlar".
  virtual std::string address() const = 0;
};

using Listeners = std::vector<std::shared_ptr<Listener>>;

// Binds and listens at all that `address` resolves to; a stale unix socket is taken over, one that somebody listens at
// is refused. At a socket that was handed over it listens on. Throws std::system_error that names the address.
// `keepalive`: see KernelSocket::Options.
Listeners listen(boost::asio::io_context& io, const ListenAddress& address, unsigned keepalive = 0);

}  // namespace ashlar::host
