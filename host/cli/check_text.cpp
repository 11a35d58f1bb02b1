// What `ashlar check` prints of an export for people.
#include "chain/template.hpp"
#include "cli/check_export.hpp"
#include "config/size.hpp"
#include "config/text.hpp"
#include "protocol/handshake.hpp"

namespace ashlar::host {
namespace {

std::string value_text(const Values& values, const ashlar_value& value) {
  switch (value.type) {
    case ASHLAR_PARAM_SECRET: {
      const std::string source = values.source_of(value);
      return source.empty() ? "(secret)" : "(secret from " + source + ")";
    }
    case ASHLAR_PARAM_LIST: {
      std::string items;
      for (std::int64_t i = 0; i < value.number; ++i)
        items += (i == 0 ? "" : ", ") + value_text(values, *value.items[i]);
      return "[" + items + "]";
    }
    case ASHLAR_PARAM_BOOL: return value.number != 0 ? "true" : "false";
    case ASHLAR_PARAM_SIZE: return size_text(value.number);
    case ASHLAR_PARAM_CHOICE: return value.text;
    default: return value.text != nullptr ? in_quotes(value.text) : std::to_string(value.number);
  }
}

// The layer's parameters as the module has received them, defaults included.
void print_layer(std::ostream& out, const Layer& layer) {
  const ashlar_module& module = layer.library().module();
  out << "    " << module.name;
  for (std::uint32_t i = 0; i < module.n_params; ++i)
    if (const ashlar_value& value = *layer.values().data()[i]; value.set != 0)
      out << " " << module.params[i]->name << "=" << value_text(layer.values(), value);
  out << (layer.implicit() ? " (implicit)\n" : "\n");
}

void print_metrics(std::ostream& out, const Layer& layer) {
  for (const Metrics::Reading& metric : layer.services().metrics().read())
    out << "      metric " << metric.name << " (" << metric_kind_name(metric.kind) << "): " << one_line(metric.help)
        << "\n";
}

void print_verbs(std::ostream& out, const Layer& layer) {
  for (const Verbs::Offered& offered : layer.services().verbs().all()) {
    const ashlar_verb& verb = *offered.verb;
    const char* below = verb.below == ASHLAR_BELOW_NONE   ? ""
                        : verb.below == ASHLAR_BELOW_READ ? " (reads the layers below)"
                                                          : " (writes the layers below)";
    out << "      verb " << verb.name << below << ": " << one_line(verb.help) << "\n";
  }
}

void print_chain(std::ostream& out, std::span<const std::unique_ptr<Layer>> layers) {
  out << "  chain, from the client to the plugin:\n";
  for (const auto& layer : layers) {
    print_layer(out, *layer);
    print_metrics(out, *layer);
    print_verbs(out, *layer);
  }
}

template <class Set>
std::string names_of(Set set) {
  std::string all;
  for (const char* one : names(set)) all += (all.empty() ? "" : " ") + std::string(one);
  return all.empty() ? "none" : all;
}

std::string bytes_text(std::uint64_t bytes) {
  const std::string plain = std::to_string(bytes) + " bytes";
  const std::string shorter = size_text(static_cast<std::int64_t>(bytes));
  return shorter == std::to_string(bytes) ? plain : plain + " (" + shorter + ")";
}

void print_offer(std::ostream& out, const Chain& chain) {
  const Geometry& top = chain.geometry();
  const auto size = [](std::uint32_t bytes) { return size_text(bytes); };
  out << "  ops          " << names_of(top.ops) << "\n"
      << "  flags        " << names_of(top.flags) << "\n"
      << "  blocks       minimum " << size(top.minimum) << ", preferred " << size(top.preferred) << ", maximum "
      << (top.maximum == 0 ? "none of its own" : size(top.maximum)) << "\n"
      << "  depth        " << (top.depth == 0 ? "not known" : std::to_string(top.depth)) << "\n"
      << "  traits       " << (top.rotational ? "rotational" : "not rotational") << ", "
      << (top.multi_conn ? "several connections" : "one connection") << (chain.parks() ? ", parks" : "") << "\n";
}

void print_head(std::ostream& out, const ExportConfig& own) {
  out << "export " << in_quotes(own.name) << "\n"
      << "  description  " << (own.description.empty() ? "-" : one_line(own.description)) << "\n";
}

void print_access(std::ostream& out, const ExportConfig& own, const Export& exported) {
  if (own.exclusive) out << "  exclusive    yes\n";
  if (own.max_connections) out << "  connections  " << *own.max_connections << " at most\n";
  if (own.tls_required) out << "  tls          required\n";
  const AccessRules* const allow = exported.allow();
  if (allow == nullptr) return;
  const char* head = "  allow        ";
  if (allow->rules.empty()) out << head << "nobody\n";
  for (const AccessRule& rule : allow->rules) {
    out << head << one_line(rule.text) << "\n";
    head = "               ";
  }
}

// A template has no size and no ops: these are of what it stands for.
void print_template(std::ostream& out, const ExportConfig& own, const Export& exported) {
  Template& of = *exported.as_template();
  std::string names = "not known: the plugin cannot list them";
  try {
    const ListedExports listed = of.list(protocol::Handshake::max_listed);
    const std::size_t n = listed.exports.size();
    if (of.can_list()) names = std::to_string(n) + (listed.is_cut ? " and more" : "");
    if (n != 0) names += ", such as " + in_quotes(listed.exports.front().name);
  } catch (const OpenError& e) {
    names = "not known: " + one_line(e.complaint());
  }
  print_head(out, own);
  print_access(out, own, exported);
  out << "  names        " << names << "\n"
      << "  links        " << (own.follow_links ? "followed" : "not followed out of their folder") << "\n"
      << "  read-only    " << (own.read_only ? "yes" : "as each is") << "\n";
  print_chain(out, of.layers());
}

void print_opened(std::ostream& out, const ExportConfig& own, Export& exported) {
  const auto chain = exported.open();
  const Geometry& top = chain->geometry();
  print_head(out, own);
  if (own.optional) out << "  optional     yes; it can be opened now\n";
  print_access(out, own, exported);
  out << "  size         " << bytes_text(top.size) << "\n"
      << "  read-only    " << (exported.read_only() || top.read_only ? "yes" : "no") << "\n"
      << "  threads      " << (exported.serial() ? "serial" : "parallel") << "\n";
  print_chain(out, exported.layers());
  print_offer(out, *chain);
}

// An optional export that cannot be opened now; its layers are known by their names alone.
void print_unopened(std::ostream& out, const ExportConfig& own, const Export& exported, const OpenError& why) {
  print_head(out, own);
  print_access(out, own, exported);
  out << "  optional     yes; it cannot be opened now: " << one_line(why.complaint()) << "\n"
      << "  read-only    " << (own.read_only ? "yes" : "not known") << "\n"
      << "  chain, from the client to the plugin:\n";
  for (const LayerConfig& filter : own.filters) out << "    " << one_line(filter.type) << "\n";
  out << "    " << one_line(own.plugin.type) << "\n";
}

}  // namespace

void print_export(std::ostream& out, const ExportConfig& own, Export& exported) {
  try {
    if (exported.as_template() != nullptr) print_template(out, own, exported);
    else print_opened(out, own, exported);
  } catch (const OpenError& e) {
    if (!own.optional) throw;
    print_unopened(out, own, exported, e);
  }
  out << "\n";
}

}  // namespace ashlar::host
