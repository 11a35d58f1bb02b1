#include "server/confinement.hpp"

#include <unistd.h>

#include <stdexcept>
#include <string>

#include "chain/chain.hpp"
#include "chain/open_error.hpp"
#include "sandbox/needed_grants.hpp"
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
void Confinement::change_user(const Config& config, const Exports& exports, Tls* tls) {
  if (!config.server.user && !config.server.group) return;
  const std::string who = give_up_privileges(config.server.user, config.server.group);
  logger_->info("the server is {} now", who);
  if (tls != nullptr) try_files(*tls, who, *logger_);
  for (std::size_t i = 0; i < exports.size(); ++i) {
    if (config.exports[i].is_template()) continue;
    try {
      exports[i]->open();
    } catch (const OpenError& e) {
      if (!config.exports[i].optional) throw std::runtime_error("as " + who + ": " + e.what());
      logger_->warn("as {}: {}; it is optional, and will be tried again for each client", who, e.what());
    }
  }
}

void Confinement::make_sandbox(const Config& config) {
  if (config.server.sandbox.mode == SandboxConfig::Mode::off) return;
  Grants needed = needed_grants(config, registry_, *activity_);
  add_names(needed, config);
  if (starter_.private_folder != nullptr)
    needed.add(starter_.private_folder->path().parent_path(), FileAccess::remove_folders, "--run");
  sandbox_.emplace(config.server.sandbox, std::move(needed), logger_);
}

void Confinement::enter_sandbox() {
  if (sandbox_) sandbox_->enter();
}

// A file that cannot be opened would be told as such, but not why, and not that a restart helps.
void Confinement::refuse_outside(const Config& config, Registry& modules, Mistakes& mistakes) const {
  if (!sandbox_) return;
  const Grants needed = needed_grants(config, modules, *activity_);
  if (sandbox_->misses_connect(needed))
    mistakes.add(ConfigError(config.file, {},
                             "connecting to others (" + needed.connect() +
                                 ") is outside of the sandbox that the server is in since it was started; restart the "
                                 "server"));
  for (const Grant& grant : sandbox_->missing(needed))
    mistakes.add(ConfigError(config.file, {},
                             grant.path.string() + " (" + grant.why +
                                 ") is outside of the sandbox that the server is " +
                                 "in since it was started; restart the server, or name the path in sandbox"));
}

}  // namespace ashlar::host
