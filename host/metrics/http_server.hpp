// HttpServer: tells figures and health to whoever asks by HTTP: /metrics, /healthz, /readyz. (Boost.Beast; all members
// on the io_context's thread)
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "listener/listener.hpp"
#include "metrics/exposition.hpp"

namespace ashlar::host {

class HttpServer {
 public:
  // Connections at once. One more, and the oldest is closed.
  static constexpr std::size_t most_connections = 16;

  struct Source {
    std::function<std::string(Exposition::Format)> metrics;
    std::function<bool()> ready;  // new clients are taken
  };

  // Serves the clients of `listeners` from now on. `complain` hears of those who could not be accepted.
  HttpServer(boost::asio::io_context& io, std::vector<std::unique_ptr<Listener>> listeners, Source source,
             const std::function<void(const std::string&)>& complain);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const std::vector<std::unique_ptr<Listener>>& listeners() const { return listeners_; }
  // Takes no more clients, and ends those that there are.
  void stop();

 private:
  class Connection;
  void accepted(std::unique_ptr<Socket> socket);

  boost::asio::io_context& io_;
  const std::vector<std::unique_ptr<Listener>> listeners_;
  const std::shared_ptr<const Source> source_;
  std::list<std::weak_ptr<Connection>> connections_;  // oldest first
};

}  // namespace ashlar::host
