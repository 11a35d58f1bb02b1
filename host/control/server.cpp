#include "control/server.hpp"

#include <exception>
#include <utility>

#include "control/connection.hpp"
#include "listener/duplicate.hpp"

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

void ControlServer::stop() {
  stopped_ = true;
  for (const auto& one : connections_)
    if (const auto connection = one.lock()) connection->finish();
}

// Of the socket only its descriptor is wanted: what a disk's client needs, a control client does not.
void ControlServer::accepted(std::unique_ptr<Socket> socket) {
  if (stopped_) return;
  try {
    if (!make_room()) {
      complain_("a client of the control socket is turned away: all connections wait for answers");
      std::make_shared<Connection>(*this, io_, duplicate_of(*socket))
          ->turn_away("the server is busy: " + std::to_string(most_connections) +
                      " control connections wait for answers; try again later");
      return;
    }
    const auto connection = std::make_shared<Connection>(*this, io_, duplicate_of(*socket));
    connection->place = connections_.insert(connections_.end(), connection);
    connection->begin();
  } catch (const std::exception& e) {  // without descriptors or memory: the client sees its connection close
    complain_(std::string("a client of the control socket is turned away: ") + e.what());
  }
}

// False: there is none.
bool ControlServer::make_room() {
  connections_.remove_if([](const auto& one) { return one.expired(); });
  for (auto one = connections_.begin(); connections_.size() >= most_connections && one != connections_.end();) {
    const auto oldest = one->lock();
    if (oldest && oldest->is_under_way()) {
      ++one;
      continue;
    }
    if (oldest) oldest->leave();
    one = connections_.erase(one);
  }
  return connections_.size() < most_connections;
}

}  // namespace ashlar::host
