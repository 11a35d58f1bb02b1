// Values: parameters for a module under test, from texts as one would write them in the config, without quotes.
#pragma once
#include <ashlar/abi.h>

#include <ashlar/rules/value.hpp>
#include <deque>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ashlar::testing {

using Given = std::vector<std::pair<std::string, std::string>>;

// Keeps its address; must outlive the layer.
// Throws std::invalid_argument: unknown name, wrong type, out of range, missing.
class Values {
 public:
  Values(const ashlar_module& module, const Given& given) {
    for (const auto& [name, text] : given) {
      static_cast<void>(text);
      if (row(module, name) == module.n_params) throw std::invalid_argument("there is no parameter \"" + name + "\"");
    }
    for (std::uint32_t i = 0; i < module.n_params; ++i)
      pointers_.push_back(&values_.emplace_back(value(*module.params[i], given)));
  }
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  // One per row of the module's table.
  const ashlar_value* const* data() const { return pointers_.data(); }

 private:
  static std::uint32_t row(const ashlar_module& module, std::string_view name) {
    std::uint32_t i = 0;
    while (i < module.n_params && name != module.params[i]->name) ++i;
    return i;
  }

  ashlar_value value(const ashlar_param& param, const Given& given) {
    for (const auto& [name, text] : given)
      if (name == param.name) return typed(param, text);
    if (param.default_text != nullptr) return typed(param, param.default_text);
    if (param.required != 0) throw std::invalid_argument(std::string("parameter \"") + param.name + "\" is required");
    return {sizeof(ashlar_value), param.type, 0, 0, 0, nullptr, nullptr};
  }

  // A list is written with commas between its items.
  ashlar_value typed(const ashlar_param& param, std::string_view text) {
    if (param.type != ASHLAR_PARAM_LIST) return one(param, param.type, text);
    std::vector<const ashlar_value*>& items = lists_.emplace_back();
    for (bool more = !text.empty(); more;) {
      const std::size_t comma = text.find(',');
      items.push_back(&values_.emplace_back(one(param, param.item, text.substr(0, comma))));
      more = comma != std::string_view::npos;
      if (more) text.remove_prefix(comma + 1);
    }
    return {sizeof(ashlar_value), param.type, 1, 0, static_cast<std::int64_t>(items.size()), nullptr, items.data()};
  }
  ashlar_value one(const ashlar_param& param, std::uint32_t type, std::string_view text) {
    try {
      const std::int64_t number = rules::number_from_text(param, text);
      const char* kept = rules::has_text(type) ? texts_.emplace_back(text).c_str() : nullptr;
      return {sizeof(ashlar_value), type, 1, 0, number, kept, nullptr};
    } catch (const std::invalid_argument& e) {
      throw std::invalid_argument(std::string("parameter \"") + param.name + "\": " + e.what());
    }
  }

  std::deque<ashlar_value> values_;
  std::vector<const ashlar_value*> pointers_;
  std::deque<std::vector<const ashlar_value*>> lists_;
  std::deque<std::string> texts_;
};

}  // namespace ashlar::testing
