#include "server/confinement.hpp"

#include <stdexcept>
#include <string>

#include "chain/chain.hpp"
#include "config/read_again.hpp"
#include "config/text.hpp"
#include "sandbox/needed_grants.hpp"
#include "spawn/privileges.hpp"

namespace ashlar::host {

// What was read before goes on to serve.
std::vector<std::string> warnings_of_files(const Config& config, const Privileges& user) {
  std::vector<std::string> warnings;
  for (const Mistake& one : unreadable(config))
    warnings.push_back("as " + user.who + ": " + one.line() +
                       "; until a restart it is not renewed, and a reload that reads it is refused; let its group read "
                       "it: chgrp " +
                       std::to_string(user.group) + " FILE, and chmod 0640 FILE (a folder: 0750)");
  return warnings;
}

Mistake not_open_to(const Privileges& user, const ExportConfig& own, const OpenError& why) {
  const OpenError::Facts& facts = why.facts();
  return {own.file, facts.place, "key " + in_quotes(facts.key) + ": as " + user.who + ": " + why.what()};
}

// From now on each client's backend is opened as that user: what it may not open is told now, and not to clients.
void Confinement::change_user(const Config& config, const Exports& exports) {
  if (!config.server.user && !config.server.group) return;
  const Privileges user = privileges_of(config.server.user, config.server.group);
  take_privileges(user);
  logger_->info("the server is {} now", user.who);
  for (const std::string& warning : warnings_of_files(config, user)) logger_->warn("{}", warning);
  for (std::size_t i = 0; i < exports.size(); ++i) {
    if (config.exports[i].is_template()) continue;
    try {
      exports[i]->open();
    } catch (const OpenError& e) {
      const std::string line = not_open_to(user, config.exports[i], e).line();
      if (!config.exports[i].optional) throw std::runtime_error(line);
      logger_->warn("{}; it is optional, and will be tried again for each client", line);
    }
  }
}

void Confinement::make_sandbox(const Config& config) {
  if (config.server.sandbox.mode == SandboxConfig::Mode::off) return;
  Grants needed = needed_grants(config, registry_, *activity_);
  add_at_start(needed, config);
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
  const auto refuse = [&](const std::string& what, const Need& why, const char* advice) {
    mistakes.add(ConfigError(
        why.file.empty() ? config.file : why.file, why.place,
        what + " (" + why.words + ") is outside of the sandbox that the server is in since it was started; " + advice));
  };
  if (sandbox_->misses_connect(needed)) refuse("connecting to others", needed.connect(), "restart the server");
  for (const Grant& grant : sandbox_->missing(needed))
    refuse(grant.path.string(), grant.why,
           "restart the server; with the folder named in sandbox, a later reload does not need that");
}

}  // namespace ashlar::host
