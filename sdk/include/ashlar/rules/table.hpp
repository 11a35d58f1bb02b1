// Sanity of a module's table, so that nothing behind it needs to doubt it. Pure.
#pragma once
#include <ashlar/abi.h>
#include <ashlar/rules/first_size.hpp>
#include <ashlar/rules/value.hpp>
#include <cstddef>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ashlar::rules {

inline constexpr std::uint32_t most_parameters = 256;
inline constexpr std::size_t most_choices = 256;

namespace detail {

inline bool is_text(const char* text) { return text != nullptr && *text != '\0'; }
inline bool is_one_line(const char* text) { return std::string_view(text).find('\n') == std::string_view::npos; }

inline std::string fault_in_type(const ashlar_param& row) {
  if (row.type > ASHLAR_PARAM_SECRET) return "is of the unknown type " + std::to_string(row.type);
  if (row.type != ASHLAR_PARAM_LIST)
    return row.item == 0 ? "" : "has items of the type " + std::to_string(row.item) + ", but is no list";
  if (row.item == ASHLAR_PARAM_LIST) return "is a list of lists";
  if (row.item > ASHLAR_PARAM_SECRET) return "is a list of the unknown type " + std::to_string(row.item);
  return row.default_text == nullptr ? "" : "is a list with a default";
}

inline std::string fault_in_choices(const ashlar_param& row) {
  if (item_type(row) != ASHLAR_PARAM_CHOICE) return row.choices == nullptr ? "" : "has choices, but is no choice";
  if (row.choices == nullptr || row.choices[0] == nullptr) return "is a choice without choices";
  std::set<std::string> seen;
  for (std::size_t i = 0; row.choices[i] != nullptr; ++i) {
    if (i == most_choices) return "has more than " + std::to_string(most_choices) + " choices";
    if (!seen.insert(row.choices[i]).second) return "has the choice " + in_quotes(row.choices[i]) + " twice";
  }
  return {};
}

inline std::string fault_in_range(const ashlar_param& row) {
  if (!has_range(row)) return {};
  if (row.minimum > row.maximum) return "has a minimum above its maximum";
  return item_type(row) == ASHLAR_PARAM_SIZE && row.minimum < 0 ? "is a size with a minimum below 0" : "";
}

inline std::string fault_in_default(const ashlar_param& row) {
  if (row.default_text == nullptr) return {};
  if (row.required != 0) return "is required, but has a default";
  if (row.type == ASHLAR_PARAM_SECRET) return "is a secret with a default";
  try {
    number_from_text(row, row.default_text);
    return {};
  } catch (const std::invalid_argument& e) {
    return std::string("has a bad default: ") + e.what();
  }
}

inline std::string fault_in_row(const ashlar_param& row) {
  if (row.help == nullptr) return "has no help";
  if (!is_one_line(row.help)) return "has a help of several lines";
  for (auto* check : {&fault_in_type, &fault_in_choices, &fault_in_range, &fault_in_default})
    if (std::string fault = check(row); !fault.empty()) return fault;
  return {};
}

}  // namespace detail

namespace detail {

// The first thing that is wrong with the row `i` of the table, where the rows before it have the names `seen`.
inline std::string fault_in_row_of(const ashlar_module& module, std::uint32_t i, std::set<std::string>& seen) {
  const ashlar_param* row = module.params[i];
  const std::string number = "parameter " + std::to_string(i + 1);
  if (row == nullptr) return number + " is null";
  if (!is_whole(*row)) return number + " is shorter than this ABI's";
  if (!is_text(row->name)) return number + " has no name";
  const std::string name = "parameter " + in_quotes(row->name);
  if (std::string_view(row->name) == "type") return name + " has the name of the key that names the module";
  if (!seen.insert(row->name).second) return name + " is in the table twice";
  const std::string fault = fault_in_row(*row);
  return fault.empty() ? fault : name + " " + fault;
}

}  // namespace detail

// What is wrong with the parameters of `module`, of each the first thing.
inline std::vector<std::string> faults_in_parameters(const ashlar_module& module) {
  if (module.n_params > most_parameters)
    return {"its table has more than " + std::to_string(most_parameters) + " parameters"};
  if (module.n_params != 0 && module.params == nullptr) return {"its table counts parameters, but has none"};
  std::vector<std::string> faults;
  std::set<std::string> seen;
  for (std::uint32_t i = 0; i < module.n_params; ++i)
    if (std::string fault = detail::fault_in_row_of(module, i, seen); !fault.empty())
      faults.push_back(std::move(fault));
  return faults;
}

// What is wrong with all of `module`, of this major and of no later minor, but for its name's being that of its file.
inline std::vector<std::string> faults_in_table(const ashlar_module& module) {
  std::vector<std::string> faults;
  const auto require = [&faults](bool right, const std::string& fault) {
    if (!right) faults.push_back(fault);
  };
  require(module.kind == ASHLAR_PLUGIN || module.kind == ASHLAR_FILTER,
          "its kind is " + std::to_string(module.kind) + ", neither plugin nor filter");
  require(detail::is_text(module.name), "it has no name");
  require(module.version != nullptr, "it has no version");
  require(module.version == nullptr || detail::is_one_line(module.version), "its version has several lines");
  require(module.summary != nullptr, "it has no summary");
  require(module.summary == nullptr || detail::is_one_line(module.summary), "its summary has several lines");
  require(module.threads == ASHLAR_SERIAL || module.threads == ASHLAR_PARALLEL,
          "its threads are " + std::to_string(module.threads) + ", neither serial nor parallel");
  require(module.create != nullptr, "it has no create function");
  require(module.destroy != nullptr, "it has no destroy function");
  require(module.open != nullptr, "it has no open function");
  for (const std::string& fault : faults_in_parameters(module)) faults.push_back(fault);
  return faults;
}

// Whether `module`, which has a name, is called `name`, the stem of its file; empty: it is.
inline std::string fault_in_name(const ashlar_module& module, const std::string& name) {
  if (module.name == name) return {};
  return "it calls itself " + in_quotes(module.name) + ", but its file " + in_quotes(name + ".so");
}

// The first thing that is wrong; empty: nothing is.
inline std::string fault_in_table(const ashlar_module& module, const std::string& name) {
  const std::vector<std::string> faults = faults_in_table(module);
  return faults.empty() ? fault_in_name(module, name) : faults.front();
}

}  // namespace ashlar::rules
