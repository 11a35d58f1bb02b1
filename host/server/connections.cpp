#include "server/connections.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <exception>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

namespace ashlar::host {

namespace asio = boost::asio;

// A session with what it needs to wait its turn. While a thread runs it, and while it waits for its socket, somebody holds a
// reference besides clients_.
class Connections::Client final : public Task {
 public:
  Client(Connections& all, int fd, std::string peer)
      : session(fd, std::move(peer), all.context_), socket(all.io_), deadline(all.io_), all_(all) {}

  void run() noexcept override {
    const Session::Outcome outcome = session.run();
    Connections& all = all_;
    ClientPtr self = std::move(running);
    asio::post(all.io_, [&all, self = std::move(self), outcome] {
      if (outcome == Session::Outcome::idle) all.park(self);
      else all.remove(self);
    });
  }

  Session session;
  asio::posix::stream_descriptor socket;  // has the session's descriptor only while it is parked
  asio::steady_timer deadline;            // of the handshake
  ClientPtr running;                      // itself, while a thread of the executor has it

 private:
  Connections& all_;
};

Connections::Connections(asio::io_context& io, SessionContext& context, std::size_t most)
    : io_(io), context_(context), most_(most), grace_(io) {}

Connections::~Connections() = default;

void Connections::add(int fd, std::string peer) {
  if (stopping_ || clients_.size() >= most_) {
    // Once for each time the house gets full, not for each client at the door.
    if (!stopping_ && turned_away_++ == 0) context_.log->warn("{}: turned away: {} connections are open", peer, most_);
    ::close(fd);
    return;
  }
  turned_away_ = 0;
  ClientPtr client;
  try {
    client = std::make_shared<Client>(*this, fd, std::move(peer));
  } catch (const std::bad_alloc&) {
    ::close(fd);
    return;
  }
  clients_.emplace(client.get(), client);
  watch_handshake(client);
  dispatch(client);
}

void Connections::watch_handshake(const ClientPtr& client) {
  client->deadline.expires_after(context_.handshake_timeout);
  client->deadline.async_wait([weak = std::weak_ptr<Client>(client)](boost::system::error_code cancelled) {
    const ClientPtr late = weak.lock();
    if (!cancelled && late && late->session.in_handshake()) late->session.abort();
  });
}

void Connections::dispatch(const ClientPtr& client) {
  client->running = client;
  try {
    context_.executor.submit(*client);
  } catch (const std::exception& e) {
    client->running.reset();
    context_.log->error("{}: no thread for this client: {}", client->session.peer(), e.what());
    remove(client);
  }
}

void Connections::park(const ClientPtr& client) {
  if (stopping_) return dispatch(client);  // it finds out and ends
  boost::system::error_code error;
  client->socket.assign(client->session.fd(), error);
  if (error) {
    context_.log->error("{}: {}", client->session.peer(), error.message());
    return remove(client);
  }
  client->socket.async_wait(asio::posix::stream_descriptor::wait_read, [this, client](boost::system::error_code) {
    if (client->socket.is_open()) client->socket.release();
    int non_blocking = 0;  // as async_wait has made it; sessions wait in recv(2) and send(2)
    ::ioctl(client->session.fd(), FIONBIO, &non_blocking);
    dispatch(client);
  });
}

void Connections::remove(const ClientPtr& client) {
  client->deadline.cancel();
  clients_.erase(client.get());
  if (stopping_ && clients_.empty()) {
    grace_.cancel();
    ended_();
  }
}

void Connections::stop(std::chrono::milliseconds grace, std::function<void()> ended) {
  stopping_ = true;
  ended_ = std::move(ended);
  if (clients_.empty()) return ended_();
  for (auto& [key, client] : clients_) client->session.stop();  // also wakes the parked ones: their sockets become readable
  grace_.expires_after(grace);
  grace_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    context_.log->warn("{} clients do not take their replies: broken off", clients_.size());
    break_off();
  });
}

void Connections::break_off() {
  for (auto& [key, client] : clients_) client->session.abort();
}

}  // namespace ashlar::host
