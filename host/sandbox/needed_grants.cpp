#include "sandbox/needed_grants.hpp"

#include <algorithm>
#include <ashlar/rules/extension.hpp>
#include <cstdlib>
#include <system_error>

#include "access/network.hpp"
#include "chain/find_module.hpp"
#include "chain/open_error.hpp"
#include "config/text.hpp"
#include "module/parameter.hpp"

namespace ashlar::host {
namespace {

namespace fs = std::filesystem;

void add_system(Grants& to) {
  for (const char* const folder : {"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"})
    to.add(folder, FileAccess::read, "libraries of modules");
  for (const char* const folder : {"/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom"})
    to.add(folder, FileAccess::read, "libraries");
  to.add("/dev/null", FileAccess::write, "libraries");
  to.add("/proc", FileAccess::read, "the kernel's facts about processes");
  to.add("/sys/devices", FileAccess::read, "the kernel's facts about disks");
}

// The files that tell of names are replaced by others, when a user or a network comes.
void add_files_of_names(Grants& to, const Need& why) {
  for (const char* const folder : {"/etc", "/run/systemd/resolve"}) to.add(folder, FileAccess::read, why);
}

// Who connects looks names up, and certificates.
void add_files_of_network(Grants& to) {
  const Need why = to.connect();
  if (why.words.empty()) return;
  add_files_of_names(to, why);
  to.add("/usr/share/ca-certificates", FileAccess::read, why);
}

bool names_users(const std::optional<AccessRules>& allow) {
  return allow && std::any_of(allow->rules.begin(), allow->rules.end(),
                              [](const AccessRule& rule) { return rule.user || rule.group; });
}

bool names_users(const ListenAddress& address) { return address.owner || address.group; }

// A number counts as a name: who writes one may write the other in the next version of the config.
bool names_users(const Config& config) {
  const ServerConfig& own = config.server;
  return own.user || own.group || names_users(own.allow) || (own.control && names_users(*own.control)) ||
         (own.metrics && names_users(*own.metrics)) ||
         std::any_of(own.listen.begin(), own.listen.end(), [](const auto& address) { return names_users(address); }) ||
         std::any_of(config.exports.begin(), config.exports.end(),
                     [](const auto& one) { return names_users(one.allow); });
}

bool has_name(const ListenAddress& address) { return !address.host.empty() && !parse_ip_address(address.host); }

bool names_hosts(const ServerConfig& own) {
  return (own.metrics && has_name(*own.metrics)) || std::any_of(own.listen.begin(), own.listen.end(), has_name);
}

// Whoever renews certificates may put a file, a link or the whole folder in the place of the one before.
void add_certificates(Grants& to, const fs::path& folder, const Need& why) {
  std::error_code error;
  for (const fs::path& one : {folder, fs::canonical(folder, error)})
    if (const fs::path above = one.parent_path(); above != above.root_path()) to.add(above, FileAccess::read, why);
  to.add(folder, FileAccess::read, why);
  for (const char* const name : {"ca-cert.pem", "ca-crl.pem", "server-cert.pem", "server-key.pem"})
    to.add_file(folder / name, FileAccess::read, why);
}

void add_address(Grants& to, const Config& config, const ListenAddress& address, const char* key) {
  if (!address.path.empty()) to.add(address.path.parent_path(), FileAccess::sockets, {key, config.file, address.place});
}

void add_server(Grants& to, const Config& config) {
  const ServerConfig& own = config.server;
  for (const ListenAddress& address : own.listen) add_address(to, config, address, "listen");
  if (own.control) add_address(to, config, *own.control, "control");
  if (own.metrics) add_address(to, config, *own.metrics, "metrics");
  if (!own.tls.certificates.empty())
    add_certificates(to, own.tls.certificates, {"tls: certificates", config.file, own.tls.certificates_place});
  if (!own.tls.psk.empty()) to.add_file(own.tls.psk, FileAccess::read, {"tls: psk", config.file, own.tls.psk_place});
  std::error_code error;
  if (!config.is_image && fs::is_regular_file(config.file, error))
    to.add_file(fs::absolute(config.file, error), FileAccess::read, "the config");
  for (const Include& include : config.include)
    to.add_file(include.pattern, FileAccess::read, {"include", config.file, include.place});
  if (const char* const folder = std::getenv("CREDENTIALS_DIRECTORY"); folder != nullptr)
    to.add(folder, FileAccess::read, "credentials");
}

// Of a template's path the folder in which the '*' stands for a name.
void add_path(Grants& to, const fs::path& path, const ExportConfig& own, FileAccess access, const Need& why) {
  const std::string& text = path.native();
  const std::size_t star = own.is_template() ? text.find('*') : std::string::npos;
  if (star == std::string::npos) to.add_file(path, access, why);
  else to.add(text.substr(0, text.rfind('/', star) + 1), access, why);
}

// What `value`, of a parameter of an export as `row` describes it, names.
void add_value(Grants& to, const ashlar_param& row, const TomlValue& value, const ExportConfig& own, FileAccess access,
               const Need& why) {
  const fs::path& folder = own.folder;
  if (row.type == ASHLAR_PARAM_LIST) {
    if (const auto* items = std::get_if<TomlArray>(&value))
      for (const TomlNode& item : *items)
        add_value(to, item_row(row), item.value, own, access, {why.words, why.file, item.place});
  } else if (row.type == ASHLAR_PARAM_PATH) {
    if (const auto* text = std::get_if<std::string>(&value)) add_path(to, folder / *text, own, access, why);
  } else if (const auto* source = std::get_if<TomlTable>(&value);
             source != nullptr && row.type == ASHLAR_PARAM_SECRET) {
    for (const TomlEntry& entry : *source)
      if (const auto* text = std::get_if<std::string>(&entry.node.value); text != nullptr && entry.key == "file")
        add_path(to, folder / *text, own, FileAccess::read, why);
  }
}

void add_parameters(Grants& to, const ExportConfig& own, const LayerConfig& layer, const ashlar_module& module,
                    FileAccess access, const std::string& export_words) {
  for (std::uint32_t i = 0; i < module.n_params; ++i) {
    const ashlar_param& row = *module.params[i];
    const auto given = std::find_if(layer.parameters.begin(), layer.parameters.end(),
                                    [&](const TomlEntry& entry) { return entry.key == row.name; });
    const Place place = given != layer.parameters.end() ? given->node.place : layer.place;
    const Need why(export_words + ": " + module.name + ": " + row.name, own.file, place);
    if (given != layer.parameters.end()) add_value(to, row, given->node.value, own, access, why);
    else if (row.type == ASHLAR_PARAM_PATH && row.default_text != nullptr)
      to.add_file(default_value(row, own.folder).text, access, why);
  }
}

void add_layer(Grants& to, const Config& config, const ExportConfig& own, ModuleKind kind, const LayerConfig& layer,
               Registry& registry, Activity& activity) {
  if (layer.type.empty()) return;
  const std::string words = "export " + in_quotes(own.name);
  const auto why = [&](const std::string& what) { return Need(words + ": " + what, own.file, layer.place); };
  if (layer.type.find('/') != std::string::npos) to.add_file(layer.type, FileAccess::read, why("type"));
  // A filter such as trace writes files of its own, whatever may be done with the export.
  const FileAccess access = kind == ModuleKind::plugin && own.read_only ? FileAccess::read : FileAccess::write;
  try {
    const auto library = find_module(config, own, kind, layer, registry, activity);
    if (rules::connects(library->module())) to.add_connect(why(library->module().name));
    add_parameters(to, own, layer, library->module(), access, words);
  } catch (const ConfigError&) {
    // It is told where the export is made.
  } catch (const OpenError&) {
    // A module that may come later: which of its parameters are paths is not known yet.
  }
}

}  // namespace

Grants needed_grants(const Config& config, Registry& registry, Activity& activity) {
  Grants needed;
  add_system(needed);
  for (const fs::path& folder : config.server.module_path)
    needed.add(folder, FileAccess::read, {"modules", config.file, config.server.module_path_place});
  for (const fs::path& folder : registry.folders()) needed.add(folder, FileAccess::read, "modules");
  add_server(needed, config);
  for (const ExportConfig& own : config.exports) {
    const Config alone = config_of(config, own);
    for (const LayerConfig& filter : own.filters)
      add_layer(needed, alone, own, ModuleKind::filter, filter, registry, activity);
    add_layer(needed, alone, own, ModuleKind::plugin, own.plugin, registry, activity);
  }
  add_files_of_network(needed);
  return needed;
}

void add_at_start(Grants& to, const Config& config) {
  const SandboxConfig& wanted = config.server.sandbox;
  for (const fs::path& path : wanted.read) to.add(path, FileAccess::read, "sandbox: read");
  for (const fs::path& path : wanted.write) to.add(path, FileAccess::write, "sandbox: write");
  if (wanted.connect) to.add_connect("sandbox: connect");
  add_files_of_network(to);
  if (names_users(config)) add_files_of_names(to, "names of users and groups");
  if (names_hosts(config.server)) add_files_of_names(to, "names of hosts");
}

}  // namespace ashlar::host
