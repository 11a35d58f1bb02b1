#include "chain/chain.hpp"
#include "chain/export.hpp"
#include "cli/commands.hpp"
#include "config/size.hpp"
#include "config/text.hpp"
#include "log/log.hpp"

namespace ashlar::host {
namespace {

std::string value_text(const ashlar_value& value) {
  if (value.text != nullptr) return value.type == ASHLAR_PARAM_CHOICE ? value.text : in_quotes(value.text);
  if (value.type == ASHLAR_PARAM_BOOL) return value.number != 0 ? "true" : "false";
  return value.type == ASHLAR_PARAM_SIZE ? size_text(value.number) : std::to_string(value.number);
}

// The layer's parameters as the module has received them, defaults included.
void print_layer(std::ostream& out, const Config& config, const LayerConfig& own, const Layer& layer) {
  const ashlar_module& module = layer.library().module();
  const Values values(config, own, module);
  out << "    " << module.name;
  for (std::uint32_t i = 0; i < module.n_params; ++i)
    if (const ashlar_value& value = *values.data()[i]; value.set != 0)
      out << " " << module.params[i]->name << "=" << value_text(value);
  out << (layer.implicit() ? " (implicit)\n" : "\n");
}

void print_chain(std::ostream& out, const Config& config, const ExportConfig& own, const Export& exported) {
  out << "  chain, from the client to the plugin:\n";
  auto filter = own.filters.begin();
  for (const auto& layer : exported.layers()) {
    if (layer->implicit()) {
      LayerConfig none;
      none.type = layer->type();
      print_layer(out, config, none, *layer);
    } else {
      print_layer(out, config, filter != own.filters.end() ? *filter++ : own.plugin, *layer);
    }
  }
}

std::string names_of(Ops ops) {
  std::string names;
  for (std::uint32_t op = 0; (ASHLAR_OPS_KNOWN >> op) != 0; ++op)
    if (ops.has(static_cast<Op>(op))) names += (names.empty() ? "" : " ") + std::string(name(static_cast<Op>(op)));
  return names.empty() ? "none" : names;
}

std::string names_of(Flags flags) {
  std::string names;
  for (const Flag::Named& one : Flag::names)
    if (flags.has(one.flag)) names += (names.empty() ? "" : " ") + std::string(one.name);
  return names.empty() ? "none" : names;
}

std::string bytes_text(std::uint64_t bytes) {
  const std::string plain = std::to_string(bytes) + " bytes";
  const std::string shorter = size_text(static_cast<std::int64_t>(bytes));
  return shorter == std::to_string(bytes) ? plain : plain + " (" + shorter + ")";
}

void print_offer(std::ostream& out, const Geometry& top) {
  const auto size = [](std::uint32_t bytes) { return size_text(bytes); };
  out << "  ops          " << names_of(top.ops) << "\n"
      << "  flags        " << names_of(top.flags) << "\n"
      << "  blocks       minimum " << size(top.minimum) << ", preferred " << size(top.preferred) << ", maximum "
      << (top.maximum == 0 ? "none of its own" : size(top.maximum)) << "\n"
      << "  traits       " << (top.rotational ? "rotational" : "not rotational") << ", "
      << (top.multi_conn ? "several connections" : "one connection") << "\n";
}

void print_head(std::ostream& out, const ExportConfig& own) {
  out << "export " << in_quotes(own.name) << "\n"
      << "  description  " << (own.description.empty() ? "-" : one_line(own.description)) << "\n";
}

void print_opened(std::ostream& out, const Config& config, const ExportConfig& own, Export& exported) {
  const auto chain = exported.open();
  const Geometry& top = chain->geometry();
  print_head(out, own);
  if (own.optional) out << "  optional     yes; it can be opened now\n";
  out << "  size         " << bytes_text(top.size) << "\n"
      << "  read-only    " << (exported.read_only() || top.read_only ? "yes" : "no") << "\n"
      << "  threads      " << (exported.serial() ? "serial" : "parallel") << "\n";
  print_chain(out, config, own, exported);
  print_offer(out, top);
}

// An optional export that cannot be opened now; its layers are known by their names alone.
void print_unopened(std::ostream& out, const ExportConfig& own, const OpenError& why) {
  print_head(out, own);
  out << "  optional     yes; it cannot be opened now: " << one_line(why.complaint()) << "\n"
      << "  read-only    " << (own.read_only ? "yes" : "not known") << "\n"
      << "  chain, from the client to the plugin:\n";
  for (const LayerConfig& filter : own.filters) out << "    " << one_line(filter.type) << "\n";
  out << "    " << one_line(own.plugin.type) << "\n";
}

void print_export(std::ostream& out, const Config& config, const ExportConfig& own, Export& exported) {
  try {
    print_opened(out, config, own, exported);
  } catch (const OpenError& e) {
    if (!own.optional) throw;
    print_unopened(out, own, e);
  }
  out << "\n";
}

}  // namespace

int check_command(const CommandOptions& options, Streams streams) {
  const Config config = read_config(options.operand);
  Registry registry(module_folders(options, &config.server));
  Log log(LogLevel::warn);
  int code = exit_ok;
  for (const ExportConfig& own : config.exports) {
    // The other exports may have mistakes of their own, which are better seen at once.
    try {
      Export exported(config, own, registry, log.logger());
      print_export(streams.out, config, own, exported);
    } catch (const ConfigError& e) {
      log.flush();  // what the modules had to say comes first
      streams.err << std::string(e.what()) + "\n" << std::flush;
      code = exit_usage;
    }
  }
  if (code == exit_ok)
    streams.out << "OK: " << one_line(config.file.string()) << ": " << config.exports.size()
                << (config.exports.size() == 1 ? " export\n" : " exports\n");
  return code;
}

}  // namespace ashlar::host
