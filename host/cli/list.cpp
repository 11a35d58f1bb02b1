#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/table.hpp"

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
  return out;
}

}  // namespace

int list_command(const CommandOptions& options, Streams streams) {
  Registry registry(module_folders(options));
  std::vector<std::vector<std::string>> rows;
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
    rows.push_back({name(found.kind), module.name, module.version, module.summary});
  }
  if (options.json) print_json(streams.out, all);
  else print_table(streams.out, "", std::move(rows));
  return code;
}

}  // namespace ashlar::host
