// What `ashlar check --json` prints of an export.
#include "chain/template.hpp"
#include "cli/check_export.hpp"
#include "protocol/handshake.hpp"

namespace ashlar::host {
namespace {

json::value value_to_json(const Values& values, const ashlar_value& value) {
  switch (value.type) {
    case ASHLAR_PARAM_SECRET: {
      const std::string source = values.source_of(value);
      return {{"secret", source.empty() ? json::string("here") : json_text(source)}};
    }
    case ASHLAR_PARAM_LIST: {
      json::array items;
      for (std::int64_t i = 0; i < value.number; ++i) items.push_back(value_to_json(values, *value.items[i]));
      return items;
    }
    case ASHLAR_PARAM_BOOL: return value.number != 0;
    default: return value.text != nullptr ? json::value(json_text(value.text)) : json::value(value.number);
  }
}

json::object parameters_to_json(const Layer& layer) {
  const ashlar_module& module = layer.library().module();
  json::object out;
  for (std::uint32_t i = 0; i < module.n_params; ++i)
    if (const ashlar_value& value = *layer.values().data()[i]; value.set != 0)
      out[module.params[i]->name] = value_to_json(layer.values(), value);
  return out;
}

json::array metrics_to_json(const Metrics& metrics) {
  json::array out;
  for (const Metrics::Reading& metric : metrics.read())
    out.push_back({{"name", metric.name}, {"kind", metric_kind_name(metric.kind)}, {"help", json_text(metric.help)}});
  return out;
}

json::array verbs_to_json(const Verbs& verbs) {
  json::array out;
  for (const Verbs::Offered& offered : verbs.all())
    out.push_back({{"name", offered.verb->name},
                   {"below", below_name(offered.verb->below)},
                   {"help", json_text(offered.verb->help)}});
  return out;
}

json::object layer_to_json(const Layer& layer) {
  return {{"type", json_text(layer.type())},
          {"kind", name(layer.library().kind())},
          {"version", json_text(layer.library().module().version)},
          {"implicit", layer.implicit()},
          {"parameters", parameters_to_json(layer)},
          {"metrics", metrics_to_json(layer.services().metrics())},
          {"verbs", verbs_to_json(layer.services().verbs())}};
}

template <class Set>
json::array names_to_json(Set set) {
  json::array out;
  for (const char* one : names(set)) out.push_back(one);
  return out;
}

// How many it lists; null: that is not known.
json::value number_of_names(Template& of) {
  if (!of.can_list()) return nullptr;
  try {
    return of.list(protocol::Handshake::max_listed).exports.size();
  } catch (const OpenError&) {
    return nullptr;
  }
}

// A template is not opened: its size and ops are of what it stands for.
void add_template(json::object& out, const ExportConfig& own, Template& of) {
  json::array layers;
  for (const auto& layer : of.layers()) layers.push_back(layer_to_json(*layer));
  out["names"] = number_of_names(of);
  out["read_only"] = own.read_only;
  out["opened"] = false;
  out["template"] = true;
  out["follow_links"] = own.follow_links;
  out["layers"] = std::move(layers);
}

void add_opened(json::object& out, Export& exported) {
  const auto chain = exported.open();
  const Geometry& top = chain->geometry();
  json::array layers;
  for (const auto& layer : exported.layers()) layers.push_back(layer_to_json(*layer));
  out["opened"] = true;
  out["size"] = top.size;
  out["read_only"] = exported.read_only() || top.read_only;
  out["threads"] = exported.serial() ? "serial" : "parallel";
  out["layers"] = std::move(layers);
  out["ops"] = names_to_json(top.ops);
  out["flags"] = names_to_json(top.flags);
  out["blocks"] = {{"minimum", top.minimum}, {"preferred", top.preferred}, {"maximum", top.maximum}};
  out["depth"] = top.depth != 0 ? json::value(top.depth) : nullptr;
  out["rotational"] = top.rotational;
  out["multi_conn"] = top.multi_conn;
  out["parks"] = chain->parks();
}

// An optional export that cannot be opened now; its layers are known by their names alone.
void add_unopened(json::object& out, const ExportConfig& own, const OpenError& why) {
  json::array layers;
  for (const LayerConfig& filter : own.filters)
    layers.push_back({{"type", json_text(filter.type)}, {"kind", name(ModuleKind::filter)}});
  layers.push_back({{"type", json_text(own.plugin.type)}, {"kind", name(ModuleKind::plugin)}});
  out["opened"] = false;
  out["error"] = json_text(why.complaint());
  out["layers"] = std::move(layers);
}

// Null: there is none, so that everybody may.
json::value allow_to_json(const AccessRules* allow) {
  if (allow == nullptr) return nullptr;
  json::array rules;
  for (const AccessRule& rule : allow->rules) rules.push_back(json_text(rule.text));
  return rules;
}

}  // namespace

json::object export_to_json(const ExportConfig& own, Export& exported, const Seen* seen) {
  json::object out{{"name", json_text(own.name)},
                   {"description", json_text(own.description)},
                   {"optional", own.optional},
                   {"exclusive", own.exclusive},
                   {"max_connections", own.max_connections ? json::value(*own.max_connections) : nullptr},
                   {"tls_required", own.tls_required},
                   {"allow", allow_to_json(exported.allow())}};
  if (seen != nullptr) out["as"] = {{"access", access_name(seen->access)}, {"why", json_text(seen->why)}};
  try {
    if (Template* const of = exported.as_template()) add_template(out, own, *of);
    else add_opened(out, exported);
  } catch (const OpenError& e) {
    if (!own.optional) throw;
    add_unopened(out, own, e);
  }
  return out;
}

}  // namespace ashlar::host
