// Confinement: what the server gives up before it serves: its user's rights, and what its sandbox refuses.
#pragma once
#include <spdlog/logger.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "chain/activity.hpp"
#include "chain/export.hpp"
#include "chain/open_error.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"
#include "sandbox/sandbox.hpp"
#include "spawn/privileges.hpp"
#include "spawn/starter.hpp"

namespace ashlar::host {

// Of the files that a server reads again while it runs: which of them the calling thread, that has the privileges of
// `user`, may not read, and what to do, a line each.
std::vector<std::string> warnings_of_files(const Config& config, const Privileges& user);

// What is to be told of an export that cannot be opened with the privileges of `user`.
Mistake not_open_to(const Privileges& user, const ExportConfig& own, const OpenError& why);

class Confinement {
 public:
  // All outlive it.
  Confinement(Registry& registry, std::shared_ptr<spdlog::logger> logger, std::shared_ptr<Activity> activity,
              const Starter& starter)
      : registry_(registry), logger_(std::move(logger)), activity_(std::move(activity)), starter_(starter) {}

  // Becomes the user that `config` names, if it names one, and tries whether `exports`, and the files that are read
  // again later, can still be opened. Throws std::exception.
  void change_user(const Config& config, const Exports& exports);
  // Makes ready what enter_sandbox() needs. Throws std::exception.
  void make_sandbox(const Config& config);
  void enter_sandbox();
  // Adds as mistakes what a server that is in its sandbox cannot open of `config`. [any thread]
  void refuse_outside(const Config& config, Registry& modules, Mistakes& mistakes) const;

 private:
  Registry& registry_;
  const std::shared_ptr<spdlog::logger> logger_;
  const std::shared_ptr<Activity> activity_;
  const Starter& starter_;
  std::optional<Sandbox> sandbox_;
};

}  // namespace ashlar::host
