// Values: the parameters of one layer, checked against the module's table and typed for the module.
#pragma once
#include <ashlar/abi.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace ashlar::host {

class Values {
 public:
  // Throws ConfigError with every mistake: unknown keys (with a did-you-mean), wrong types, out of range, not a choice,
  // secrets that cannot be read, required but missing.
  Values(const Config& config, const LayerConfig& layer, const ashlar_module& module);
  Values() = default;
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  // One per row of the table, in its order; valid as long as this object.
  const ashlar_value* const* data() const { return pointers_.data(); }
  std::size_t size() const { return pointers_.size(); }

  // Where the secret `value`, one of data() or an item of a list of it, is from: `file "/etc/key"`. Empty: it stands in
  // the config itself.
  std::string source_of(const ashlar_value& value) const;
  // The texts of the secrets that were given.
  std::vector<std::string> secrets() const;

 private:
  struct Given {
    const Config& config;
    const ashlar_param& row;
    const TomlEntry& entry;
  };
  // Each returns a value that stays where it is, or throws ConfigError.
  const ashlar_value* given(const Given& given);
  const ashlar_value* single(const ashlar_param& row, const Given& given, const TomlNode& node);
  const ashlar_value* list(const Given& given);
  const ashlar_value* defaulted(const Config& config, const LayerConfig& layer, const ashlar_param& row);
  const ashlar_value* keep(std::uint32_t type, std::int64_t number, std::optional<std::string> text);

  std::deque<ashlar_value> values_;
  std::vector<const ashlar_value*> pointers_;
  std::deque<std::string> texts_;
  std::deque<std::vector<const ashlar_value*>> lists_;
  std::map<const ashlar_value*, std::string> sources_;  // of the secrets
};

}  // namespace ashlar::host
