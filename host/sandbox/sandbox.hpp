// Sandbox: once the server serves, it may do only what its config needs, whatever a module or a client makes it do.
#pragma once
#include <spdlog/logger.h>

#include <memory>
#include <vector>

#include "config/config.hpp"
#include "sandbox/grants.hpp"
#include "sandbox/landlock.hpp"
#include "sandbox/refused_calls.hpp"

namespace ashlar::host {

class Sandbox {
 public:
  // Finds out what the kernel can, and makes it ready; nothing is bounded yet. What it cannot is told to `logger` once,
  // or thrown, when the config requires a sandbox. Throws std::runtime_error.
  Sandbox(const SandboxConfig& config, Grants grants, std::shared_ptr<spdlog::logger> logger);

  // Bounds all threads of this process, for good. Called once, when all is started that is to be free: a command that
  // the server runs. Throws std::runtime_error when a sandbox is required and a thread cannot be bounded.
  void enter();

  // Those of `wanted` that the sandbox does not allow, and that a server which is in it cannot take up without being
  // started anew; none where files are not bounded. [any thread]
  std::vector<Grant> missing(const Grants& wanted) const;
  // Likewise, whether modules would have to connect to others and may not.
  bool misses_connect(const Grants& wanted) const;

 private:
  void lacks(const std::string& what) const;

  const bool required_;
  const Grants grants_;
  const std::shared_ptr<spdlog::logger> logger_;
  std::shared_ptr<const Landlock> landlock_;  // null: files are not bounded
  std::unique_ptr<RefusedCalls> calls_;       // null: calls are not
};

}  // namespace ashlar::host
