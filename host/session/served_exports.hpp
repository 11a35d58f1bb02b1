// ServedExports: what a new client is served now, which a reload of the config exchanges.
#pragma once
#include <memory>
#include <mutex>
#include <utility>

#include "chain/export.hpp"

namespace ashlar::host {

// All members: [any thread]
class ServedExports {
 public:
  explicit ServedExports(std::shared_ptr<const Exports> exports) : exports_(std::move(exports)) {}

  // They stay as they are as long as the caller has them.
  std::shared_ptr<const Exports> get() const {
    const std::lock_guard lock(mutex_);
    return exports_;
  }
  // Returns those of before: who lets go of an export last calls its modules.
  std::shared_ptr<const Exports> exchange(std::shared_ptr<const Exports> exports) {
    const std::lock_guard lock(mutex_);
    return std::exchange(exports_, std::move(exports));
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Exports> exports_;
};

}  // namespace ashlar::host
