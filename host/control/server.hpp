// ControlServer: answers commands that come to a unix socket. A command is a line with a JSON object, and so is its
// answer; README.md has them all. (all members on the io thread)
#pragma once
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "listener/listener.hpp"

namespace ashlar::host {

namespace json = boost::json;

class ControlServer {
 public:
  // Connections at once. One more, and the one that has been silent for longest is closed, but none that waits for an
  // answer; where all do, the new one is told so and turned away.
  static constexpr std::size_t most_connections = 32;
  // Bytes of a command's line.
  static constexpr std::size_t longest_command = std::size_t{1} << 20;

  // Who has sent a command.
  struct Caller {
    // To be called once, at any time, on the io thread.
    std::function<void(json::object answer)> answer;
    // Whether the caller has gone, and no answer is wanted any more. [any thread]
    std::shared_ptr<const std::atomic<bool>> gone;
  };
  // Carries out a command. Does not throw.
  using Handler = std::function<void(const json::object& command, const Caller& caller)>;

  ControlServer(boost::asio::io_context& io, Handler handler, std::function<void(const std::string&)> complain);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Serves the clients of `listener` from now on, beside those of others.
  void serve(Listener& listener);
  // Carries out no more commands: closes the connections, those that wait for an answer behind it.
  void stop();

 private:
  class Connection;
  void accepted(std::unique_ptr<Socket> socket);
  bool make_room();

  boost::asio::io_context& io_;
  const Handler handler_;
  const std::function<void(const std::string&)> complain_;  // hears of clients that could not be accepted
  bool stopped_ = false;
  std::list<std::weak_ptr<Connection>> connections_;  // the one that has spoken last is at the end
};

}  // namespace ashlar::host
