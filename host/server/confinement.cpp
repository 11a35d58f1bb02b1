#include "server/confinement.hpp"

#include <string>

#include "sandbox/needed_grants.hpp"

namespace ashlar::host {

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
