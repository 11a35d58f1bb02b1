// Values: parameters for a module under test, from texts as one would write them in the config, without quotes; lists
// with commas between their items.
#pragma once
#include <ashlar/abi.h>

#include <charconv>
#include <deque>
#include <initializer_list>
#include <span>
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
    for (std::uint32_t i = 0; i < module.n_params; ++i) {
      const ashlar_value made = value(*module.params[i], given);
      pointers_.push_back(&values_.emplace_back(made));
    }
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

  static ashlar_value make(const ashlar_param& param, std::int64_t number, const char* text = nullptr) {
    return {sizeof(ashlar_value), param.type, 1, 0, number, text, nullptr};
  }
  ashlar_value list(const ashlar_param& param, std::string_view text) {
    ashlar_param item = param;
    item.type = param.item;
    std::vector<const ashlar_value*>& items = lists_.emplace_back();
    for (bool more = !text.empty(); more;) {
      const std::size_t comma = text.find(',');
      const ashlar_value made = typed(item, text.substr(0, comma));
      items.push_back(&values_.emplace_back(made));
      more = comma != std::string_view::npos;
      if (more) text.remove_prefix(comma + 1);
    }
    const auto count = static_cast<std::int64_t>(items.size());
    items.push_back(nullptr);
    return {sizeof(ashlar_value), param.type, 1, 0, count, nullptr, items.data()};
  }
  ashlar_value typed(const ashlar_param& param, std::string_view text) {
    const auto keep = [&] { return texts_.emplace_back(text).c_str(); };
    switch (param.type) {
      case ASHLAR_PARAM_LIST: return list(param, text);
      case ASHLAR_PARAM_STRING:
      case ASHLAR_PARAM_SECRET:
      case ASHLAR_PARAM_PATH: return make(param, 0, keep());
      case ASHLAR_PARAM_BOOL:
        if (text != "true" && text != "false") refuse(param, text, "is neither true nor false");
        return make(param, text == "true");
      case ASHLAR_PARAM_INT:
      case ASHLAR_PARAM_SIZE: {
        const std::int64_t n = number(param, text);
        if (n < param.minimum || n > param.maximum)
          refuse(param, text,
                 "is not within " + std::to_string(param.minimum) + " and " + std::to_string(param.maximum));
        return make(param, n);
      }
      case ASHLAR_PARAM_CHOICE:
        for (std::int64_t i = 0; param.choices[i] != nullptr; ++i)
          if (text == param.choices[i]) return make(param, i, keep());
        refuse(param, text, "is not one of the choices");
      default: refuse(param, text, "has a type that is not known");
    }
  }

  static std::int64_t number(const ashlar_param& param, std::string_view text) {
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{}) refuse(param, text, "is not a number");
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    if (unit.empty()) return n;
    const std::size_t power = std::string_view("KMGTPE").find(unit);
    if (param.type != ASHLAR_PARAM_SIZE || unit.size() != 1 || power == std::string_view::npos)
      refuse(param, text, "is not a number");
    if (__builtin_mul_overflow(n, std::int64_t{1} << (10 * (power + 1)), &n)) refuse(param, text, "is too large");
    return n;
  }

  [[noreturn]] static void refuse(const ashlar_param& param, std::string_view text, const std::string& why) {
    throw std::invalid_argument(std::string("parameter \"") + param.name + "\": " + std::string(text) + " " + why);
  }

  std::deque<ashlar_value> values_;
  std::vector<const ashlar_value*> pointers_;
  std::deque<std::vector<const ashlar_value*>> lists_;
  std::deque<std::string> texts_;
};

}  // namespace ashlar::testing
