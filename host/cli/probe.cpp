#include <sys/stat.h>

#include <ashlar/rules/extension.hpp>
#include <cerrno>
#include <cstring>

#include "chain/error_text.hpp"
#include "cli/commands.hpp"
#include "cli/json.hpp"
#include "cli/table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

struct Row {
  std::string name;
  std::uint32_t supported;
  std::string note;
};

struct Report {
  std::string kind;
  std::vector<Row> rows;
  bool no_memory = false;  // for a line of it: no exception crosses the module
};

const char* or_empty(const char* text) { return text != nullptr ? text : ""; }

std::int32_t take_kind(void* self, const char* kind) noexcept {
  auto& report = *static_cast<Report*>(self);
  try {
    report.kind = or_empty(kind);
  } catch (const std::bad_alloc&) {
    report.no_memory = true;
  }
  return report.no_memory ? 1 : 0;
}

std::int32_t take_row(void* self, const char* name, std::uint32_t supported, const char* note) noexcept {
  auto& report = *static_cast<Report*>(self);
  try {
    report.rows.push_back({or_empty(name), supported, or_empty(note)});
  } catch (const std::bad_alloc&) {
    report.no_memory = true;
  }
  return report.no_memory ? 1 : 0;
}

const ashlar_probe& probe_of(const Library& library) {
  const auto* probe = static_cast<const ashlar_probe*>(library.extension(ASHLAR_PROBE_ID));
  if (probe == nullptr || !rules::is_usable(*probe))
    throw UsageError("probe: the plugin " + in_quotes(library.module().name) +
                     " cannot tell what its storage can do; file and block can");
  return *probe;
}

std::string plugin_for(const CommandOptions& options) {
  struct stat status;
  if (::stat(options.operand.c_str(), &status) != 0 && !options.plugin)
    throw UsageError("probe: " + in_quotes(options.operand) + ": " + std::strerror(errno) +
                     "; name an existing file, folder or block device");
  if (options.plugin && options.plugin->empty())
    throw UsageError("probe: --plugin: the name is empty; name a plugin, or leave the option out");
  if (options.plugin) return *options.plugin;
  return S_ISBLK(status.st_mode) ? "block" : "file";
}

Report ask(const ashlar_probe& probe, const CommandOptions& options) {
  Report report;
  const ashlar_probe_sink sink{&report, &take_kind, &take_row};
  ErrorText complaint;
  if (const std::int32_t status = probe.probe(options.operand.c_str(), options.read_only ? ASHLAR_PROBE_ONLY_ASK : 0,
                                              &sink, complaint.receiver()))
    throw std::runtime_error("probe: " + complaint.cause(status));
  if (report.no_memory) throw std::bad_alloc();
  return report;
}

json::value to_json(const std::string& path, const Report& report) {
  const auto value = [](std::uint32_t supported) {
    return supported == ASHLAR_PROBE_YES  ? json::value(true)
           : supported == ASHLAR_PROBE_NO ? json::value(false)
                                          : nullptr;
  };
  json::array methods;
  for (const Row& row : report.rows)
    methods.push_back(
        {{"name", json_text(row.name)}, {"supported", value(row.supported)}, {"note", json_text(row.note)}});
  return {{"path", json_text(path)}, {"kind", json_text(report.kind)}, {"methods", std::move(methods)}};
}

void print_report(std::ostream& out, const std::string& path, const Report& report) {
  const auto value = [](std::uint32_t supported) {
    return supported == ASHLAR_PROBE_YES ? "yes" : supported == ASHLAR_PROBE_NO ? "no" : "?";
  };
  std::vector<std::vector<std::string>> rows{{"METHOD", "SUPPORTED", "NOTE"}};
  for (const Row& row : report.rows) rows.push_back({row.name, value(row.supported), row.note});
  out << one_line(path) << ": " << one_line(report.kind) << "\n";
  print_table(out, "  ", std::move(rows));
}

}  // namespace

int probe_command(const CommandOptions& options, Streams streams) {
  const std::string plugin = plugin_for(options);
  Registry registry(module_folders(options));
  const auto library = registry.find(ModuleKind::plugin, plugin);
  const Report report = ask(probe_of(*library), options);
  if (options.json) print_json(streams.out, to_json(options.operand, report));
  else print_report(streams.out, options.operand, report);
  return exit_ok;
}

}  // namespace ashlar::host
