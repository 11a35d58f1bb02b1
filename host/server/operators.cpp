#include "server/operators.hpp"

#include <string>
#include <utility>

namespace ashlar::host {

Operators::Operators(boost::asio::io_context& io, SessionContext& context, Connections& connections, Reloader& reloader,
                     std::function<bool()> stops)
    : log_(context.log),
      connections_(connections),
      stops_(std::move(stops)),
      commands_(io, context, connections, reloader),
      scrapes_(io, context.executor,
               [this, &context] { return figures_of(context, connections_, commands_.removed()); }),
      control_(
          io,
          [this](const json::object& command, const ControlServer::Caller& caller) {
            commands_.carry_out(command, caller);
          },
          [this](const std::string& complaint) { log_->warn("{}", complaint); }),
      http_(
          io,
          HttpServer::Source{.metrics = [this](Exposition::Format format,
                                               HttpServer::Answer answer) { scrapes_.ask(format, std::move(answer)); },
                             .ready = [this] { return takes_clients(); }},
          [this](const std::string& complaint) { log_->warn("{}", complaint); }) {}

bool Operators::takes_clients() const { return !stops_() && !connections_.draining() && !connections_.is_full(); }

void Operators::serve(const Doors& control, const Doors& metrics) {
  for (const Door& door : control)
    for (const auto& listener : door.listeners) {
      log_->info("takes commands at {}", listener->address());
      control_.serve(*listener);
    }
  for (const Door& door : metrics)
    for (const auto& listener : door.listeners) {
      log_->info("tells figures at {}/metrics", listener->address());
      http_.serve(*listener);
    }
}

void Operators::stop() {
  control_.stop();
  http_.end_clients();
  scrapes_.stop();
}

}  // namespace ashlar::host
