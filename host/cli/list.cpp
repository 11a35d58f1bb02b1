#include "cli/commands.hpp"
#include "cli/table.hpp"

namespace ashlar::host {

int list_command(const CommandOptions& options, Streams streams) {
  Registry registry(module_folders(options));
  std::vector<std::vector<std::string>> rows;
  int code = exit_ok;
  for (const Registry::Found& found : registry.list()) {
    if (found.library == nullptr) {
      print_mistake(streams.err, found.error);
      code = exit_failure;
      continue;
    }
    const ashlar_module& module = found.library->module();
    rows.push_back({name(found.kind), module.name, module.version, module.summary});
  }
  print_table(streams.out, "", std::move(rows));
  return code;
}

}  // namespace ashlar::host
