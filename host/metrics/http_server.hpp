// HttpServer: tells figures and health to whoever asks by HTTP: /metrics, /healthz, /readyz. (Boost.Beast; all members
// on the io thread)
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

  // Called once with the text, at any time, on the io thread; null: it cannot be had.
  using Answer = std::function<void(std::shared_ptr<const std::string> text)>;
  struct Source {
    std::function<void(Exposition::Format, Answer)> metrics;
    std::function<bool()> ready;  // new clients are taken
  };

  HttpServer(boost::asio::io_context& io, Source source, std::function<void(const std::string&)> complain);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Serves the clients of `listener` from now on, beside those of others.
  void serve(Listener& listener);
  // Ends the clients that there are, and takes no more.
  void end_clients();

 private:
  class Connection;
  void accepted(std::unique_ptr<Socket> socket);

  boost::asio::io_context& io_;
  const std::shared_ptr<const Source> source_;
  const std::function<void(const std::string&)> complain_;  // hears of clients that could not be accepted
  bool stopped_ = false;
  std::list<std::weak_ptr<Connection>> connections_;  // oldest first
};

}  // namespace ashlar::host
