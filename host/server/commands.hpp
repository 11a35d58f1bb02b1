// Commands: what can be asked of a running server at its control socket. (host/control/README.md; all members on the
// io_context's thread)
#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "control/server.hpp"
#include "server/connections.hpp"
#include "session/session.hpp"

namespace ashlar::host {

class Commands {
 public:
  using Answer = ControlServer::Answer;
  struct Hooks {
    // Reads the config anew; `drain`: ends the clients of what is changed or removed.
    std::function<void(bool drain, Answer answer)> reload;
  };

  // All outlive it.
  Commands(boost::asio::io_context& io, SessionContext& context, Connections& connections, Hooks hooks);

  // Carries `command` out, and has `answer` called at once or later. Does not throw.
  void carry_out(const json::object& command, const Answer& answer) noexcept;

 private:
  using Carry = void (Commands::*)(const json::object&, const Answer&);
  static Carry function_of(const std::string& name);
  void status(const json::object& command, const Answer& answer);
  void reload(const json::object& command, const Answer& answer);
  void disconnect(const json::object& command, const Answer& answer);
  void drain(const json::object& command, const Answer& answer);
  void log_level(const json::object& command, const Answer& answer);
  void verb(const json::object& command, const Answer& answer);

  std::shared_ptr<Export> export_named(const std::string& name) const;

  boost::asio::io_context& io_;
  SessionContext& context_;
  Connections& connections_;
  const Hooks hooks_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace ashlar::host
