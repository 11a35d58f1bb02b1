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
  const ashlar_value* const* data() const { return pointers_.data(); }
  std::size_t size() const { return pointers_.size(); }

 private:
  void add(const ashlar_value& value) { pointers_.push_back(&values_.emplace_back(value)); }

  std::deque<ashlar_value> values_;
  std::vector<const ashlar_value*> pointers_;
  std::deque<std::string> texts_;
};

}  // namespace ashlar::host
