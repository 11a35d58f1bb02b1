// Confinement: what the server's sandbox refuses once it serves.
#pragma once
#include <spdlog/logger.h>

#include <memory>
#include <optional>

#include "chain/activity.hpp"
#include "chain/export.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"
#include "sandbox/sandbox.hpp"
#include "spawn/starter.hpp"
#include "tls/tls.hpp"

namespace ashlar::host {

class Confinement {
 public:
  // All outlive it.
  Confinement(Registry& registry, std::shared_ptr<spdlog::logger> logger, std::shared_ptr<Activity> activity,
              const Starter& starter)
      : registry_(registry), logger_(std::move(logger)), activity_(std::move(activity)), starter_(starter) {}

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
