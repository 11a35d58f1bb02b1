// Commands: what can be asked of a running server at its control socket. (host/control/README.md; all members on the
// io thread)
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "control/server.hpp"
#include "server/connections.hpp"
#include "server/reloader.hpp"
#include "server/status.hpp"
#include "session/session.hpp"

namespace ashlar::host {

class Commands {
 public:
  using Caller = ControlServer::Caller;
  // All outlive it.
  Commands(boost::asio::io_context& io, SessionContext& context, Connections& connections, Reloader& reloader);

  // Carries `command` out, and answers at once or later. Does not throw.
  void carry_out(const json::object& command, const Caller& caller) noexcept;

  // An export is served no longer; it is told of as long as it has clients.
  void removed(const Export& exported);
  // Those, which may have clients still.
  const std::vector<RemovedExport>& removed() const { return removed_; }
  // Adds the connections of those.
  void add_clients_of_removed(std::set<std::uint64_t>& to) const;

 private:
  using Carry = void (Commands::*)(const json::object&, const Caller&);
  static Carry function_of(const std::string& name);
  void status(const json::object& command, const Caller& caller);
  void disconnect(const json::object& command, const Caller& caller);
  void drain(const json::object& command, const Caller& caller);
  void log_level(const json::object& command, const Caller& caller);
  void verb(const json::object& command, const Caller& caller);
  void reload(const json::object& command, const Caller& caller);

  std::set<std::shared_ptr<Accounts>> accounts_of(const std::string& name) const;
  void forget_those_without_clients();

  boost::asio::io_context& io_;
  SessionContext& context_;
  Connections& connections_;
  Reloader& reloader_;
  std::vector<RemovedExport> removed_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace ashlar::host
