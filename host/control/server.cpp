#include "control/server.hpp"

#include <fcntl.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "control/connection.hpp"

namespace ashlar::host {

ControlServer::ControlServer(boost::asio::io_context& io, Handler handler,
                             std::function<void(const std::string&)> complain)
    : io_(io), handler_(std::move(handler)), complain_(std::move(complain)) {}

ControlServer::~ControlServer() {
  for (const auto& one : connections_)
    if (const auto connection = one.lock()) connection->leave();
}

void ControlServer::serve(Listener& listener) {
  listener.start([this](std::unique_ptr<Socket> socket, const Peer&) { accepted(std::move(socket)); }, complain_);
}

// Of the socket only its descriptor is wanted: what a disk's client needs, a control client does not.
void ControlServer::accepted(std::unique_ptr<Socket> socket) {
  const int fd = ::fcntl(socket->watched_descriptor(), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return;  // the client sees its connection close
  make_room();
  const auto connection = std::make_shared<Connection>(*this, io_, fd);
  connection->place = connections_.insert(connections_.end(), connection);
  connection->begin();
}

void ControlServer::make_room() {
  connections_.remove_if([](const auto& one) { return one.expired(); });
  while (connections_.size() >= most_connections) {
    if (const auto oldest = connections_.front().lock()) oldest->leave();
    connections_.pop_front();
  }
}

}  // namespace ashlar::host
