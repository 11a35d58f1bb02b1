// The config's root and [server]; its addresses are in reader_listen.cpp, its tls in reader_tls.cpp, its sandbox in
// reader_sandbox.cpp, the rules about clients in reader_access.cpp, the exports in reader_exports.cpp, the types in
// reader_types.cpp.
#include "config/reader.hpp"

#include <cmath>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include "config/account.hpp"
#include "config/did_you_mean.hpp"
#include "config/listen_address.hpp"
#include "config/log_level.hpp"
#include "config/other_names.hpp"
#include "config/reader_table.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr double longest_timeout = 86'400;          // s
constexpr std::int64_t longest_keepalive = 32'767;  // s; MAX_TCP_KEEPIDLE of the kernel
constexpr double shortest_timeout = 0.001;          // s, as it is kept in milliseconds

}  // namespace

ListenAddress default_listen_address() { return parse_listen_address("tcp:127.0.0.1:10809", "/"); }

ConfigReader::ConfigReader(std::filesystem::path file, std::filesystem::path folder, Mistakes& mistakes)
    : file_(std::move(file)), folder_(std::move(folder)), mistakes_(mistakes) {}

Config ConfigReader::read(const TomlTable& root) const {
  Config config;
  config.file = file_;
  config.folder = folder_;
  const std::size_t before = mistakes_.size();
  const Names there = read_table(root, root_keys(), "the config", config);
  // An unknown key may be what was meant to be an export.
  const bool all_known =
      std::all_of(root.begin(), root.end(), [&](const TomlEntry& entry) { return there.contains(entry.key); });
  const bool export_is_wrong = there.contains("export") && mistakes_.size() != before;
  if (config.exports.empty() && all_known && !export_is_wrong && !there.contains("include"))
    tell({1, 1}, "export", "missing, there is nothing to serve; add an [[export]] with a name and an [export.plugin]");
  if (config.server.allow) check_rules_that_need_tls(*config.server.allow, config.server.tls);
  check_exports(config.exports, config.server);
  config.server.listen_is_default = config.server.listen.empty();
  if (config.server.listen_is_default) config.server.listen = {default_listen_address()};
  check_addresses(config.server);
  return config;
}

void ConfigReader::read_included(const TomlTable& root, Config& config) const {
  Config part;
  read_table(root, included_keys(), "an included file", part);
  check_exports(part.exports, config.server);
  for (ExportConfig& own : part.exports)
    if (own.allow) own.allow->file = one_line(file_.string());
  std::move(part.exports.begin(), part.exports.end(), std::back_inserter(config.exports));
}

std::span<const ConfigReader::Key<Config>> ConfigReader::root_keys() {
  static constexpr Key<Config> keys[] = {{"server", &ConfigReader::read_server},
                                         {"include", &ConfigReader::read_include},
                                         {"export", &ConfigReader::read_exports}};
  return keys;
}

std::span<const ConfigReader::Key<Config>> ConfigReader::included_keys() {
  static constexpr Key<Config> keys[] = {{"server", &ConfigReader::refuse_in_included},
                                         {"include", &ConfigReader::refuse_in_included},
                                         {"export", &ConfigReader::read_exports}};
  return keys;
}

void ConfigReader::refuse_in_included(const TomlEntry& entry, Config&) const {
  fail(entry.place, entry.key, "stands only in the config that includes this file; move it there");
}

void ConfigReader::read_include(const TomlEntry& entry, Config& into) const {
  constexpr const char* hint = R"(write include = ["conf.d/*.toml"], above the first table)";
  const auto read_pattern = [&](const TomlNode& node) {
    const std::string& text = string(entry.key, node, hint);
    if (text.empty()) fail(node.place, entry.key, std::string("is an empty path; ") + hint);
    into.include.push_back({(folder_ / text).string(), node.place});
  };
  for (const TomlNode& node : array(entry, "an array of strings", hint)) mistakes_.gather([&] { read_pattern(node); });
}

std::span<const ConfigReader::Key<ServerConfig>> ConfigReader::server_keys() {
  static constexpr Key<ServerConfig> keys[] = {
      {"listen", &ConfigReader::read_listen},
      {"log_level", &ConfigReader::read_log_level},
      {"log_format", &ConfigReader::read_log_format},
      {"user", &ConfigReader::read_server_user},
      {"group", &ConfigReader::read_server_group},
      {"module_path", &ConfigReader::read_module_path},
      {"max_connections", &ConfigReader::read_max_connections},
      {"handshake_timeout", &ConfigReader::read_handshake_timeout},
      {"max_payload", &ConfigReader::read_max_payload},
      {"workers", &ConfigReader::read_workers},
      {"max_memory", &ConfigReader::read_max_memory},
      {"busy_poll", &ConfigReader::read_busy_poll},
      {"keepalive", &ConfigReader::read_keepalive},
      {"tls", &ConfigReader::read_tls},
      {"sandbox", &ConfigReader::read_sandbox},
      {"allow", &ConfigReader::read_server_allow},
      {"control", &ConfigReader::read_control},
      {"metrics", &ConfigReader::read_metrics},
  };
  return keys;
}

void ConfigReader::read_server(const TomlEntry& entry, Config& into) const {
  read_table(table(entry.key, entry.node, "a table", "write [server]"), server_keys(), "[server]", into.server,
             other_server_key);
}

void ConfigReader::read_log_level(const TomlEntry& entry, ServerConfig& into) const {
  const std::string& text = string(entry.key, entry.node, R"(write log_level = "info")");
  const auto level = parse_log_level(text);
  if (!level)
    fail(entry.node.place, entry.key, "no level " + in_quotes(text) + "; " + did_you_mean(text, log_level_names()));
  into.log_level = *level;
}

void ConfigReader::read_log_format(const TomlEntry& entry, ServerConfig& into) const {
  const std::string& text = string(entry.key, entry.node, R"(write log_format = "text")");
  if (text != "text" && text != "json")
    fail(entry.node.place, entry.key,
         "no format " + in_quotes(text) + "; " + did_you_mean(text, std::vector<std::string>{"text", "json"}));
  into.log_format = text == "json" ? LogFormat::json : LogFormat::text;
}

// An empty name is nobody's: the server stays who it is.
void ConfigReader::read_server_user(const TomlEntry& entry, ServerConfig& into) const {
  const std::string name = account(entry);
  if (!name.empty()) into.user = value_of(entry.node.place, entry.key, [&] { return user_number(name); });
}

void ConfigReader::read_server_group(const TomlEntry& entry, ServerConfig& into) const {
  const std::string name = account(entry);
  if (!name.empty()) into.group = value_of(entry.node.place, entry.key, [&] { return group_number(name); });
}

void ConfigReader::read_module_path(const TomlEntry& entry, ServerConfig& into) const {
  constexpr const char* hint = R"(write module_path = ["/folder/of/modules"])";
  const auto read_folder = [&](const TomlNode& node) {
    const std::string& text = string(entry.key, node, hint);
    if (text.empty()) fail(node.place, entry.key, "is an empty path; name a folder");
    const std::filesystem::path folder = (folder_ / text).lexically_normal();
    std::error_code error;
    if (!std::filesystem::is_directory(folder, error))
      fail(node.place, entry.key,
           folder.string() + ": " + (error ? error.message() : "Not a directory") + "; name an existing folder");
    into.module_path.push_back(folder);
  };
  into.module_path_flawed = true;
  into.module_path_place = entry.node.place;
  bool good = true;
  for (const TomlNode& node : array(entry, "an array of strings", hint))
    good = mistakes_.gather([&] { read_folder(node); }) && good;
  into.module_path_flawed = !good;
}

void ConfigReader::read_max_connections(const TomlEntry& entry, ServerConfig& into) const {
  into.max_connections = static_cast<std::uint32_t>(integer(entry, 1, 1'000'000));
}

void ConfigReader::read_handshake_timeout(const TomlEntry& entry, ServerConfig& into) const {
  double seconds = 0;
  if (const auto* whole = std::get_if<std::int64_t>(&entry.node.value)) seconds = static_cast<double>(*whole);
  else if (const auto* number = std::get_if<double>(&entry.node.value)) seconds = *number;
  else wrong_type(entry.key, entry.node, "a number", "write seconds, such as 10 or 0.5");
  // Written so that NaN is refused as well.
  if (!(seconds >= shortest_timeout && seconds <= longest_timeout))
    fail(entry.node.place, entry.key, "is out of range; give 0.001 to 86400 seconds");
  into.handshake_timeout = std::chrono::milliseconds(std::llround(seconds * 1000));
}

void ConfigReader::read_max_payload(const TomlEntry& entry, ServerConfig& into) const {
  into.max_payload = static_cast<std::uint32_t>(size(entry, 64 << 10, 64 << 20));
}

void ConfigReader::read_workers(const TomlEntry& entry, ServerConfig& into) const {
  into.workers = static_cast<std::uint32_t>(integer(entry, 1, 4096));
}

void ConfigReader::read_max_memory(const TomlEntry& entry, ServerConfig& into) const {
  into.max_memory = static_cast<std::uint64_t>(size(entry, std::int64_t{128} << 20, std::int64_t{1} << 40));
}

void ConfigReader::read_busy_poll(const TomlEntry& entry, ServerConfig& into) const {
  if (const auto* text = std::get_if<std::string>(&entry.node.value); text != nullptr) {
    if (*text != "auto") fail(entry.node.place, entry.key, in_quotes(*text) + R"(; write "auto" or microseconds)");
    return;
  }
  into.busy_poll = std::chrono::microseconds(integer(entry, 0, 10'000));
}

void ConfigReader::read_keepalive(const TomlEntry& entry, ServerConfig& into) const {
  into.keepalive = std::chrono::seconds(integer(entry, 0, longest_keepalive));
}

}  // namespace ashlar::host
