#include "server/confinement.hpp"

#include <string>

#include "sandbox/needed_grants.hpp"

namespace ashlar::host {

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
