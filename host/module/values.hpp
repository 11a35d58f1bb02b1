// Values: the parameters of one layer, checked against the module's table and typed for the module.
#pragma once
#include <ashlar/abi.h>

#include <deque>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace ashlar::host {

class Values {
 public:
  // Throws ConfigError: unknown key (with a did-you-mean), wrong type, out of range, not a choice, required but
  // missing.
  Values(const Config& config, const LayerConfig& layer, const ashlar_module& module);
  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  // One per row of the table, in its order; valid as long as this object.
  const ashlar_value* data() const { return values_.data(); }
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<ashlar_value> values_;
  std::deque<std::string> texts_;
};

}  // namespace ashlar::host
