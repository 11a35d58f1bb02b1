#include "server/server.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>

#include "listener/listener.hpp"
#include "server/connections.hpp"
#include "socket/kernel_socket.hpp"

namespace ashlar::host {
namespace {

namespace asio = boost::asio;

// A descriptor per client, and a few for the backends: as many as we may have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void print_ready(const std::vector<std::unique_ptr<Listener>>& listeners) {
  for (const auto& listener : listeners) std::printf("listening on %s\n", listener->address().c_str());
  std::fflush(stdout);
}

}  // namespace

int serve(const Config& config, Registry& registry, const std::shared_ptr<spdlog::logger>& logger) {
  raise_descriptor_limit();
  ::mallopt(M_ARENA_MAX, 4);  // thousands of short-lived threads must not leave an arena each

  // Started from the inside out: what is declared first is needed by what follows, and goes last. The io_context outlives the
  // executor, whose threads hand their sessions back to it.
  asio::io_context io(1);
  asio::signal_set signals(io, SIGTERM, SIGINT);  // from here on they wait to be heard
  auto exports = std::make_shared<Exports>();
  for (const ExportConfig& own : config.exports)
    exports->push_back(std::make_shared<Export>(config, own, registry, logger));
  SessionContext context{.log = logger,
                         .exports = exports,
                         .max_payload = protocol::payload_limits(config.server.max_payload),
                         .handshake_timeout = config.server.handshake_timeout,
                         .busy_poll = config.server.busy_poll,
                         .pool = BufferPool(config.server.max_memory),
                         .workers = Workers(config.server.workers)};
  exports.reset();

  Connections connections(io, context, config.server.max_connections);
  std::vector<std::unique_ptr<Listener>> listeners;
  for (const ListenAddress& address : config.server.listen)
    for (auto& listener : listen(io, address)) listeners.push_back(std::move(listener));

  signals.async_wait([&](boost::system::error_code error, int signal) {
    if (error) return;
    logger->info("{}: stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    signals.async_wait([&](boost::system::error_code cancelled, int) {
      if (cancelled) return;
      logger->warn("told to stop again: not waiting for clients to take their replies");
      connections.break_off();
    });
    for (const auto& listener : listeners) listener->stop();
    connections.stop([&] { io.stop(); });
  });
  for (const auto& listener : listeners)
    listener->start([&](std::unique_ptr<Socket> socket, Peer peer) { connections.add(std::move(socket), peer); },
                    [&](const std::string& complaint) { logger->warn("{}", complaint); });
  print_ready(listeners);
  io.run();
  return 0;
}

}  // namespace ashlar::host
