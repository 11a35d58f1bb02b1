// Connections: the sessions of all clients. Gives each a thread while its client talks, and waits for the idle ones together.
// (Boost.Asio; all members on the io_context's thread)
#pragma once
#include <functional>
#include <memory>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/parking.hpp"
#include "session/session.hpp"

namespace ashlar::host {

class Connections {
 public:
  // `most`: connections at once; further clients are turned away.
  Connections(boost::asio::io_context& io, SessionContext& context, std::size_t most);
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Takes a client's connection.
  void add(std::unique_ptr<Socket> socket, Peer peer);
  // Lets every session finish what is under way and end; those that have not after `grace` are broken off. Calls `ended` when
  // the last is gone.
  void stop(std::chrono::milliseconds grace, std::function<void()> ended);
  // Breaks off all connections; requests that run are still finished.
  void break_off();

 private:
  class Client;
  using ClientPtr = std::shared_ptr<Client>;
  void dispatch(const ClientPtr& client);
  void park(const ClientPtr& client);
  void leave(const ClientPtr& client);
  void remove(const ClientPtr& client);
  void watch_handshake(const ClientPtr& client);

  boost::asio::io_context& io_;
  SessionContext& context_;
  const std::size_t most_;
  Parking parking_;
  std::unordered_map<Client*, ClientPtr> clients_;
  std::uint64_t turned_away_ = 0;
  bool stopping_ = false;
  boost::asio::steady_timer grace_;
  std::function<void()> ended_;
};

}  // namespace ashlar::host
