// One client of the control socket: reads its commands one after another, and answers each before the next.
#pragma once
#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <string>

#include "control/server.hpp"
#include "listener/duplicate.hpp"

namespace ashlar::host {

class ControlServer::Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ControlServer& server, boost::asio::io_context& io, Descriptor fd);

  void begin() { read(); }
  // The server knows it no longer, even if a command of it has been received already.
  void leave() {
    server_ = nullptr;
    close();
  }
  // Closes it, once what has been asked is answered.
  void finish() {
    ends_ = true;
    if (!waits_) close();
  }
  // Says why nothing is asked of this one, and closes it.
  void turn_away(const std::string& why);
  void close();
  // Whether a command is being carried out.
  bool is_under_way() const { return gone_ != nullptr; }

  std::list<std::weak_ptr<Connection>>::iterator place;  // in the server's list

 private:
  void read();
  void serve(std::size_t length);
  void watch_for_end();
  void answer(json::object answer);

  ControlServer* server_;  // null: it has left
  boost::asio::posix::stream_descriptor stream_;
  std::string received_, to_send_;
  std::shared_ptr<std::atomic<bool>> gone_;  // of the command that is being carried out; null: there is none
  bool waits_ = false;                       // for an answer, or for that to be sent
  bool ends_ = false;                        // with the answer that is sent
};

}  // namespace ashlar::host
