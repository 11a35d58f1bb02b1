#include "server/other_user.hpp"

#include <unistd.h>

#include <string>

#include "config/traces.hpp"
#include "spawn/privileges.hpp"

namespace ashlar::host {
namespace {

// What was read before goes on to serve, but could never be renewed.
void try_files(Tls& tls, const std::string& who, spdlog::logger& logger) {
  const Tls::News news = tls.read_files();
  if (news.mistakes.empty()) return;
  logger.warn(
      "as {}: {}; until a restart it is not renewed, and each reload is refused; let its group read what is of TLS: "
      "chgrp {} FILE, and chmod 0640 FILE (a folder: 0750)",
      who, news.mistakes.front(), ::getegid());
}

}  // namespace

// From now on each client's backend is opened as that user: what it may not open is told now, and not to clients.
void change_user(const Config& config, const Exports& exports, Tls* tls, spdlog::logger& logger, Mistakes& mistakes) {
  if (!config.server.user && !config.server.group) return;
  const std::string who = give_up_privileges(config.server.user, config.server.group);
  logger.info("the server is {} now", who);
  if (tls != nullptr) try_files(*tls, who, logger);
  refuse_folders_of_traces(config, mistakes, who);
  for (const auto& one : exports) mistakes.gather([&] { one->try_as(who); });
}

}  // namespace ashlar::host
