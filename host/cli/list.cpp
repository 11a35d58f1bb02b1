#include <ashlar/rules/extension.hpp>
#include <map>
#include <sstream>
#include <tuple>
#include <utility>

#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

json::object to_json(const Registry::Found& found) {
  json::object out{
      {"kind", name(found.kind)}, {"name", json_text(found.name)}, {"path", json_text(found.path.string())}};
  if (found.library == nullptr) {
    out["error"] = json_text(found.error);
    return out;
  }
  out["version"] = json_text(found.library->module().version);
  out["summary"] = json_text(found.library->module().summary);
  if (const char* const group = rules::group_of(found.library->module())) out["group"] = json_text(group);
  return out;
}

using Cells = std::vector<std::string>;
// By kind and group. Those that name no group come last among those of their kind.
using Groups = std::map<std::tuple<ModuleKind, bool, std::string>, std::vector<Cells>>;

void print_groups(std::ostream& out, const Groups& groups) {
  std::vector<Cells> all;
  for (const auto& [key, rows] : groups) all.insert(all.end(), rows.begin(), rows.end());
  std::stringstream lines;  // of one table, so that the columns are as wide in all groups
  print_table(lines, "  ", std::move(all));
  bool first = true;
  for (const auto& [key, rows] : groups) {
    const auto& [kind, without_group, group] = key;
    if (!std::exchange(first, false)) out << "\n";
    out << name(kind) << "s" << (without_group ? "" : " for " + group) << "\n";
    std::string line;
    for (std::size_t i = 0; i != rows.size() && std::getline(lines, line); ++i) out << line << "\n";
  }
}

}  // namespace

int list_command(const CommandOptions& options, Streams streams) {
  Registry registry(module_folders(options));
  Groups groups;
  json::array all;
  int code = exit_ok;
  for (const Registry::Found& found : registry.list()) {
    all.push_back(to_json(found));
    if (found.library == nullptr) {
      print_mistake(streams.err, found.error);
      code = exit_failure;
      continue;
    }
    const ashlar_module& module = found.library->module();
    const char* const group = rules::group_of(module);
    groups[{found.kind, group == nullptr, group != nullptr ? group : ""}].push_back(
        {module.name, module.version, module.summary});
  }
  if (options.json) print_json(streams.out, all);
  else print_groups(streams.out, groups);
  return code;
}

}  // namespace ashlar::host
