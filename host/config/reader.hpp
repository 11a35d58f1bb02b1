// ConfigReader: from the tree of a TOML file to a Config. What a key may be called and hold stands in reader.cpp, and
// of the addresses and the exports in reader_listen.cpp and reader_exports.cpp.
#pragma once
#include <set>
#include <span>
#include <stdexcept>

#include "config/config.hpp"

namespace ashlar::host {

// tcp:127.0.0.1:10809, where the server listens unless told otherwise (the port is NBD's, proto.md).
ListenAddress default_listen_address();

class ConfigReader {
 public:
  // `file`: for the messages; `folder`: what relative paths count from; `mistakes`: receives what is wrong.
  ConfigReader(std::filesystem::path file, std::filesystem::path folder, Mistakes& mistakes);

  // What can be understood of the config. Not to be served when a mistake was found.
  Config read(const TomlTable& root) const;
  // Adds the exports of a file that `config` includes, as far as they can be understood.
  void read_included(const TomlTable& root, Config& config) const;

  // Whether an [[export]] may have such a key.
  static bool is_export_key(std::string_view name);

 private:
  // A key of a section, and what reads it into `T`.
  template <class T>
  struct Key {
    const char* name;
    void (ConfigReader::*read)(const TomlEntry&, T&) const;
  };
  // An address to listen at, while its table is read.
  struct ListenTable {
    ListenAddress address;
    const TomlEntry* address_key = nullptr;  // unix or tcp
    const TomlEntry* file_key = nullptr;     // the last one that is for the file of a unix socket
  };
  static std::span<const Key<Config>> root_keys();
  static std::span<const Key<Config>> included_keys();
  static std::span<const Key<ServerConfig>> server_keys();
  static std::span<const Key<ListenTable>> listen_keys();
  static std::span<const Key<TlsConfig>> tls_keys();
  static std::span<const Key<SandboxConfig>> sandbox_keys();
  static std::span<const Key<AccessRule>> access_rule_keys();
  static std::span<const Key<ExportConfig>> export_keys();
  using Names = std::set<std::string, std::less<>>;
  // Returns the names of the keys that are there, right or wrong, and of those that mistyped ones are taken to mean:
  // nobody needs to be told that these are missing.
  using OtherKey = std::string(std::string_view word);
  template <class T>
  Names read_table(const TomlTable& table, std::span<const Key<T>> keys, const char* section, T& into,
                   OtherKey* other_key_of = nullptr) const;

  // Each function that reads something throws a ConfigError at the first mistake in it; who reads several things
  // gathers them.
  [[noreturn]] void fail(Place place, const std::string& key, const std::string& what) const;
  // Adds a mistake and goes on.
  void tell(Place place, const std::string& key, const std::string& what) const;
  [[noreturn]] void wrong_type(const std::string& key, const TomlNode& node, const char* wanted,
                               const std::string& hint) const;

  // What `read` returns; a std::invalid_argument of it is a mistake in the value of `key`.
  template <class Read>
  auto value_of(Place place, const std::string& key, Read read) const {
    try {
      return read();
    } catch (const std::invalid_argument& e) {
      fail(place, key, e.what());
    }
  }

  // The value, if it has the type; else wrong_type().
  bool boolean(const TomlEntry& entry) const;
  std::int64_t integer(const TomlEntry& entry, std::int64_t low, std::int64_t high) const;
  std::int64_t size(const TomlEntry& entry, std::int64_t low, std::int64_t high) const;
  // Without NUL, which no name, path or C string can hold.
  const std::string& string(const std::string& key, const TomlNode& node, const std::string& hint) const;
  const TomlArray& array(const TomlEntry& entry, const char* wanted, const char* hint) const;
  const TomlTable& table(const std::string& key, const TomlNode& node, const char* wanted, const char* hint) const;

  void read_server(const TomlEntry& entry, Config& into) const;
  void read_listen(const TomlEntry& entry, ServerConfig& into) const;
  void check_addresses(const ServerConfig& server) const;
  // In its short form, or as a table. None: it has mistakes, which have been told.
  std::optional<ListenAddress> listen_address(const std::string& key, const TomlNode& node) const;
  ListenAddress listen_text(const std::string& key, const TomlNode& node) const;
  std::optional<ListenAddress> listen_table(const std::string& key, const TomlTable& table, Place place) const;
  void read_listen_address(const TomlEntry& entry, ListenTable& into) const;
  void read_mode(const TomlEntry& entry, ListenTable& into) const;
  void read_owner(const TomlEntry& entry, ListenTable& into) const;
  void read_group(const TomlEntry& entry, ListenTable& into) const;
  std::string account(const TomlEntry& entry) const;
  uid_t user(const TomlEntry& entry) const;
  gid_t group(const TomlEntry& entry) const;
  void read_server_allow(const TomlEntry& entry, ServerConfig& into) const;
  void read_export_allow(const TomlEntry& entry, ExportConfig& into) const;
  AccessRules access_rules(const TomlEntry& entry) const;
  // None: it has mistakes, which have been told.
  std::optional<AccessRule> access_rule(const std::string& key, const TomlNode& node) const;
  const std::string& name_in_rule(const TomlEntry& entry, const char* example) const;
  void read_rule_psk(const TomlEntry& entry, AccessRule& into) const;
  void read_rule_dn(const TomlEntry& entry, AccessRule& into) const;
  void read_rule_uid(const TomlEntry& entry, AccessRule& into) const;
  void read_rule_user(const TomlEntry& entry, AccessRule& into) const;
  void read_rule_group(const TomlEntry& entry, AccessRule& into) const;
  void read_rule_address(const TomlEntry& entry, AccessRule& into) const;
  void read_rule_read_only(const TomlEntry& entry, AccessRule& into) const;
  void check_rules_that_need_tls(const AccessRules& allow, const TlsConfig& tls) const;
  void read_log_level(const TomlEntry& entry, ServerConfig& into) const;
  void read_log_format(const TomlEntry& entry, ServerConfig& into) const;
  void read_server_user(const TomlEntry& entry, ServerConfig& into) const;
  void read_server_group(const TomlEntry& entry, ServerConfig& into) const;
  void read_module_path(const TomlEntry& entry, ServerConfig& into) const;
  void read_max_connections(const TomlEntry& entry, ServerConfig& into) const;
  void read_handshake_timeout(const TomlEntry& entry, ServerConfig& into) const;
  void read_max_payload(const TomlEntry& entry, ServerConfig& into) const;
  void read_workers(const TomlEntry& entry, ServerConfig& into) const;
  void read_max_memory(const TomlEntry& entry, ServerConfig& into) const;
  void read_busy_poll(const TomlEntry& entry, ServerConfig& into) const;
  void read_keepalive(const TomlEntry& entry, ServerConfig& into) const;
  void read_control(const TomlEntry& entry, ServerConfig& into) const;
  void read_metrics(const TomlEntry& entry, ServerConfig& into) const;

  void read_tls(const TomlEntry& entry, ServerConfig& into) const;
  void read_tls_mode(const TomlEntry& entry, TlsConfig& into) const;
  void read_tls_certificates(const TomlEntry& entry, TlsConfig& into) const;
  void read_tls_psk(const TomlEntry& entry, TlsConfig& into) const;
  void read_tls_verify_client(const TomlEntry& entry, TlsConfig& into) const;
  void read_tls_minimum_version(const TomlEntry& entry, TlsConfig& into) const;
  void read_tls_ciphers(const TomlEntry& entry, TlsConfig& into) const;
  std::filesystem::path tls_path(const TomlEntry& entry, const char* hint) const;
  void check_tls(const TlsConfig& tls, const Names& there) const;
  void check_tls_of(const ExportConfig& own, const TlsConfig& tls) const;

  void read_sandbox(const TomlEntry& entry, ServerConfig& into) const;
  void read_sandbox_mode(const TomlEntry& entry, SandboxConfig& into) const;
  void read_sandbox_connect(const TomlEntry& entry, SandboxConfig& into) const;
  void read_sandbox_read(const TomlEntry& entry, SandboxConfig& into) const;
  void read_sandbox_write(const TomlEntry& entry, SandboxConfig& into) const;
  std::vector<std::filesystem::path> sandbox_paths(const TomlEntry& entry) const;

  void read_include(const TomlEntry& entry, Config& into) const;
  // What only the config itself may hold.
  void refuse_in_included(const TomlEntry& entry, Config& into) const;
  void read_exports(const TomlEntry& entry, Config& into) const;
  ExportConfig read_export(const TomlNode& node) const;
  // What exports want of a server that does not have it.
  void check_exports(const std::vector<ExportConfig>& exports, const ServerConfig& server) const;
  void read_name(const TomlEntry& entry, ExportConfig& into) const;
  void read_description(const TomlEntry& entry, ExportConfig& into) const;
  void read_optional(const TomlEntry& entry, ExportConfig& into) const;
  void read_tls_of_export(const TomlEntry& entry, ExportConfig& into) const;
  void read_read_only(const TomlEntry& entry, ExportConfig& into) const;
  void read_exclusive(const TomlEntry& entry, ExportConfig& into) const;
  void read_multi_conn(const TomlEntry& entry, ExportConfig& into) const;
  void read_connections_of_export(const TomlEntry& entry, ExportConfig& into) const;
  void read_follow_links(const TomlEntry& entry, ExportConfig& into) const;
  void read_zero_emulation(const TomlEntry& entry, ExportConfig& into) const;
  void read_filters(const TomlEntry& entry, ExportConfig& into) const;
  void read_plugin(const TomlEntry& entry, ExportConfig& into) const;
  LayerConfig read_layer(const TomlTable& table, Place place, const char* section) const;
  std::string read_type(const TomlEntry& entry) const;

  std::filesystem::path file_;
  std::filesystem::path folder_;
  Mistakes& mistakes_;
};

}  // namespace ashlar::host
