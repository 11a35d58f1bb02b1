#include <ashlar/rules/extension.hpp>
#include <utility>

#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/skeleton.hpp"
#include "cli/table.hpp"
#include "config/source.hpp"
#include "module/parameter.hpp"

namespace ashlar::host {
namespace {

std::string abi_text(const ashlar_module& module) {
  return std::to_string(module.abi_major) + "." + std::to_string(module.needs_minor) + " (this ashlar has " +
         std::to_string(ASHLAR_ABI_MAJOR) + "." + std::to_string(ASHLAR_ABI_MINOR) + ")";
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string default_text(const ashlar_param& row) { return row.default_text != nullptr ? row.default_text : ""; }

void print_parameters(std::ostream& out, const ashlar_module& module) {
  if (module.n_params == 0) {
    out << "parameters  none\n";
    return;
  }
  out << "parameters\n";
  std::vector<std::vector<std::string>> rows{{"NAME", "TYPE", "DEFAULT", "RANGE", "REQUIRED", "HELP"}};
  for (std::uint32_t i = 0; i < module.n_params; ++i) {
    const ashlar_param& row = *module.params[i];
    rows.push_back({row.name, type_text(row), or_dash(default_text(row)), or_dash(range_text(row)),
                    row.required != 0 ? "yes" : "no", row.help});
  }
  print_table(out, "  ", std::move(rows));
}

// `type`: as a config would name it.
void print_module(std::ostream& out, const Library& library, const std::string& type) {
  const ashlar_module& module = library.module();
  std::vector<std::vector<std::string>> rows{{"name", module.name},
                                             {"kind", name(library.kind())},
                                             {"version", module.version},
                                             {"summary", module.summary},
                                             {"ABI", abi_text(module)},
                                             {"threads", library.serial() ? "serial" : "parallel"},
                                             {"path", library.path().string()}};
  if (rules::connects(module)) rows.push_back({"connects", "yes: the sandbox lets it connect to others"});
  print_table(out, "", std::move(rows));
  print_parameters(out, module);
  out << "config\n" << skeleton(module, type, "  ");
}

json::object to_json(const ashlar_param& row) {
  json::object out{{"name", json_text(row.name)}, {"type", type_name(row.type)}};
  if (row.type == ASHLAR_PARAM_LIST) out["item"] = type_name(row.item);
  out["required"] = row.required != 0;
  out["default"] = row.default_text != nullptr ? json::value(json_text(default_text(row))) : nullptr;
  out["help"] = json_text(row.help);
  const std::uint32_t type = row.type == ASHLAR_PARAM_LIST ? row.item : row.type;
  if (type == ASHLAR_PARAM_INT || type == ASHLAR_PARAM_SIZE) {
    out["minimum"] = row.minimum;
    out["maximum"] = row.maximum;
  }
  if (type == ASHLAR_PARAM_CHOICE) {
    json::array choices;
    for (const char* const* choice = row.choices; *choice != nullptr; ++choice) choices.push_back(json_text(*choice));
    out["choices"] = std::move(choices);
  }
  return out;
}

json::object to_json(const Library& library) {
  const ashlar_module& module = library.module();
  json::array parameters;
  for (std::uint32_t i = 0; i < module.n_params; ++i) parameters.push_back(to_json(*module.params[i]));
  return {{"name", json_text(module.name)},
          {"kind", name(library.kind())},
          {"version", json_text(module.version)},
          {"summary", json_text(module.summary)},
          {"abi_major", module.abi_major},
          {"needs_minor", module.needs_minor},
          {"threads", library.serial() ? "serial" : "parallel"},
          {"connects", rules::connects(module)},
          {"path", json_text(library.path().string())},
          {"parameters", std::move(parameters)}};
}

}  // namespace

int inspect_command(const CommandOptions& options, Streams streams) {
  Registry registry(module_folders(options));
  // A file is meant by a name with a '/', and also by foo.so, as no module is called so.
  std::string module = options.operand;
  if (module.ends_with(".so")) module = (current_folder() / module).string();
  const auto found = registry.find_any(module);
  if (options.json) {
    json::array all;
    for (const auto& library : found) all.push_back(to_json(*library));
    print_json(streams.out, all);
    return exit_ok;
  }
  bool first = true;
  for (const auto& library : found) {
    if (!std::exchange(first, false)) streams.out << "\n";
    print_module(streams.out, *library, module);
  }
  return exit_ok;
}

}  // namespace ashlar::host
