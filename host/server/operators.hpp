// Operators: what is for those who run the server: the control socket, and where figures are told. (all members on the
// io thread)
#pragma once
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>

#include <spdlog/logger.h>

#include "control/server.hpp"
#include "metrics/http_server.hpp"
#include "server/commands.hpp"
#include "server/connections.hpp"
#include "server/doors.hpp"
#include "server/reloader.hpp"
#include "server/scrapes.hpp"
#include "session/session.hpp"

namespace ashlar::host {

class Operators {
 public:
  // `stops`: whether the server does. All outlive it.
  Operators(boost::asio::io_context& io, SessionContext& context, Connections& connections, Reloader& reloader,
            std::function<bool()> stops);
  Operators(const Operators&) = delete;
  Operators& operator=(const Operators&) = delete;

  // Takes commands and tells figures to those who come to these doors, too.
  void serve(const Doors& control, const Doors& metrics);
  // An export is served no longer; it is told of as long as it has clients.
  void removed(const Export& exported) { commands_.removed(exported); }
  // Adds the connections of those.
  void add_clients_of_removed(std::set<std::uint64_t>& to) const { commands_.add_clients_of_removed(to); }
  // Carries out no more commands, and tells nothing more.
  void stop();

 private:
  bool takes_clients() const;

  const std::shared_ptr<spdlog::logger> log_;
  const Connections& connections_;
  const std::function<bool()> stops_;
  Commands commands_;
  Scrapes scrapes_;
  ControlServer control_;
  HttpServer http_;
};

}  // namespace ashlar::host
