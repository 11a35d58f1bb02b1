#include "server/connections.hpp"

#include <exception>

#include <boost/asio/post.hpp>

namespace ashlar::host {

namespace asio = boost::asio;

// A session with what it needs to wait its turn. While a thread runs it, and while it waits for its socket, somebody holds a
// reference besides clients_.
class Connections::Client final : public Task {
 public:
  Client(Connections& all, std::unique_ptr<Socket> socket, Peer peer)
      : session(std::move(socket), std::move(peer), all.context_), deadline(all.io_), all_(all) {}

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
  asio::steady_timer deadline;  // of the handshake
  ClientPtr running;            // itself, while a thread of the executor has it
  bool parked = false;

 private:
  Connections& all_;
};

Connections::Connections(asio::io_context& io, SessionContext& context, std::size_t most)
    : io_(io),
      context_(context),
      most_(most),
      parking_(io, [this](void* key) { leave(clients_.at(static_cast<Client*>(key))); }),
      grace_(io) {}

Connections::~Connections() = default;

void Connections::add(std::unique_ptr<Socket> socket, Peer peer) {
  if (stopping_ || clients_.size() >= most_) {
    // Once for each time the house gets full, not for each client at the door.
    if (!stopping_ && turned_away_++ == 0)
      context_.log->warn("{}: turned away: {} connections are open", describe(peer), most_);
    return;
  }
  turned_away_ = 0;
  const auto client = std::make_shared<Client>(*this, std::move(socket), std::move(peer));
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
    context_.log->error("{}: no thread for this client: {}", describe(client->session.peer()), e.what());
    remove(client);
  }
}

void Connections::park(const ClientPtr& client) {
  // Who is told to stop finds out and ends.
  if (stopping_ || client->session.socket().holds_input()) return dispatch(client);
  client->parked = parking_.enter(client->session.socket().watched_descriptor(), client.get());
  if (!client->parked) dispatch(client);
}

void Connections::leave(const ClientPtr& client) {
  if (!client->parked) return;
  client->parked = false;
  parking_.remove(client->session.socket().watched_descriptor());
  dispatch(client);
}

void Connections::remove(const ClientPtr& client) {
  client->deadline.cancel();
  clients_.erase(client.get());
  if (stopping_ && clients_.empty()) {
    grace_.cancel();
    parking_.close();
    ended_();
  }
}

void Connections::stop(std::chrono::milliseconds grace, std::function<void()> ended) {
  stopping_ = true;
  ended_ = std::move(ended);
  if (clients_.empty()) {
    parking_.close();
    return ended_();
  }
  for (auto& [key, client] : clients_) {
    client->session.stop();
    leave(client);
  }
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
