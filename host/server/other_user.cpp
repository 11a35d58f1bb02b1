#include "server/other_user.hpp"

#include "chain/beside.hpp"
#include "config/read_again.hpp"
#include "config/traces.hpp"

namespace ashlar::host {
namespace {

// What was read before goes on to serve.
std::string warning_of(const Mistake& unreadable, const Privileges& user) {
  return "as " + user.who + ": " + unreadable.line() +
         "; until a restart it is not renewed, and a reload that reads it is refused; let its group read it: chgrp " +
         std::to_string(user.group) + " FILE, and chmod 0640 FILE (a folder: 0750)";
}

}  // namespace

void try_as(const Privileges& user, const Config& config, const Exports& exports, Mistakes& mistakes,
            std::vector<std::string>& warnings) {
  for (const Mistake& one : unreadable(config)) warnings.push_back(warning_of(one, user));
  refuse_folders_of_traces(config, mistakes, user.who);
  // Threads have the privileges of the one that makes them.
  take_beside(
      exports, [&](std::size_t index) { return exports[index]->try_as(user.who); }, mistakes, warnings);
}

// From now on each client's backend is opened as that user: what it may not open is told now, and not to clients.
void change_user(const Config& config, const Exports& exports, spdlog::logger& logger, Mistakes& mistakes) {
  if (!config.server.user && !config.server.group) return;
  const Privileges user = privileges_of(config.server.user, config.server.group);
  take_privileges(user);
  logger.info("the server is {} now", user.who);
  std::vector<std::string> warnings;
  try_as(user, config, exports, mistakes, warnings);
  for (const std::string& warning : warnings) logger.warn("{}", warning);
}

}  // namespace ashlar::host
