// Config: the TOML file as plain structs. Reading it finds every mistake that can be found without loading a module.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "access/access.hpp"
#include "config/mistakes.hpp"
#include "config/toml_value.hpp"

namespace ashlar::host {

struct LayerConfig {
  std::string type;      // a module's name, or, with a '/', the absolute path of its shared object
  Place place;           // of the type's value
  TomlTable parameters;  // as they stand in the file; which type each should have is in the module's table
};

struct ExportConfig {
  // As in Config, of the file that the export stands in: the config, or one that it includes.
  std::filesystem::path file, folder;
  std::string name;  // with a '*': it is a template, which stands for all exports whose names fit (chain/star.hpp)
  Place name_place;
  bool is_template() const { return name.find('*') != std::string::npos; }
  std::string description;
  bool read_only = false;
  bool exclusive = false;  // one client at a time that may write
  bool multi_conn = true;  // tell clients that they may use several connections, if the layers can
  std::optional<std::uint32_t> max_connections;  // 1..1'000'000, that have it open at once; none: no limit of its own
  bool optional = false;       // served when its backend can be opened, and no reason not to start when it cannot
  std::string of_template;     // the name of the template that stands for it; empty: it stands in the file itself
  bool follow_links = false;   // a template: also serve what links in its folder lead to out of it
  Place follow_links_place;    // of that; line 0: it is not given
  bool tls_required = false;   // only for clients by TLS
  Place tls_place;             // of that
  bool zero_emulation = true;  // add the filter right above a plugin that may answer "not supported"
  // Something in it is a mistake that reading has found: it cannot be served, but its layers can be checked, if their
  // type is not empty.
  bool flawed = false;
  Place place;
  std::optional<AccessRules> allow;  // who may open it; none: as the server has it
  std::vector<LayerConfig> filters;  // the first is nearest to the client
  LayerConfig plugin;
};

// Where to listen: tcp:HOST:PORT, tcp:[V6]:PORT, unix:PATH, unix:@NAME, or fd:NAME, a socket that was handed over.
struct ListenAddress {
  enum class Kind { tcp, unix_socket, handed } kind = Kind::tcp;
  std::string text;  // as the user wrote it; of a table, its short form
  Place place;       // line 0: it stands in no file
  std::string host;  // tcp: a name or an address, without brackets; empty: all addresses
  std::uint16_t port = 0;
  std::filesystem::path path;  // unix: the socket's file, absolute; empty: it has none
  std::string abstract_name;   // unix:@NAME, without the @: a socket without a file (unix(7), "Abstract sockets")
  // Of the file. None: as the process's umask, user and group have it.
  std::optional<mode_t> mode;  // 0..0777
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  // fd:NAME: the name under which whoever starts the server hands over one or more listening sockets.
  // (sd_listen_fds(3), LISTEN_FDNAMES)
  std::string handed_name;
  int descriptor = -1;  // of the socket; -1: not looked up yet
};

enum class LogLevel { trace, debug, info, warn, error };
enum class LogFormat { text, json };

// [server] tls: how clients that ask for TLS are served, and whether the others are.
struct TlsConfig {
  enum class Mode { off, allow, require };
  enum class Version { tls1_2, tls1_3 };

  Mode mode = Mode::off;
  std::filesystem::path certificates;  // the folder of ca-cert.pem, server-cert.pem, server-key.pem; empty: none
  std::filesystem::path psk;           // the file of the keys; empty: none
  std::optional<bool> verify_client;   // none: when there is a CA
  Version minimum_version = Version::tls1_2;
  std::string ciphers;  // in OpenSSL's words, for TLS 1.3 and 1.2; empty: as the system has it
  bool flawed = false;  // a mistake is in it: its files are not read
  // Of the values, for what is found when the files are read.
  Place place, certificates_place, psk_place, verify_client_place, ciphers_place;
};

// [server] sandbox: what the server may do once it serves, beside what the config needs anyway.
struct SandboxConfig {
  enum class Mode { off, automatic, require };

  Mode mode = Mode::automatic;               // as far as the kernel can; require: or not at all
  bool connect = false;                      // modules may connect to others
  std::vector<std::filesystem::path> read;   // absolute: further files and folders that may be read
  std::vector<std::filesystem::path> write;  // and written
};

struct ServerConfig {
  std::vector<ListenAddress> listen;  // never empty after reading
  bool listen_is_default = false;     // nobody has said where
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;
  // Who the server becomes once its sockets and modules are open; none: who has started it.
  std::optional<uid_t> user;
  std::optional<gid_t> group;                      // none: that of the user
  std::vector<std::filesystem::path> module_path;  // absolute; before the built-in place
  Place module_path_place;
  bool module_path_flawed = false;                      // a mistake is in it: modules may lie where nobody looks
  std::uint32_t max_connections = 4096;                 // 1..1'000'000
  std::chrono::milliseconds handshake_timeout{10'000};  // > 0
  std::optional<std::uint32_t> max_payload;             // bytes, 64 KiB..64 MiB: largest read or write; none: not set
  std::uint32_t workers = 256;                          // 1..4096: threads for requests that block
  std::uint64_t max_memory = 1u << 30;                  // bytes, 128 MiB..1 TiB: buffers of all clients together
  // How long to poll a client's socket before sleeping, 0..10'000 µs; none: as experience teaches.
  std::optional<std::chrono::microseconds> busy_poll;
  std::optional<AccessRules> allow;    // of the exports that have none of their own; none: everybody
  std::chrono::seconds keepalive{60};  // 0..32'767: after how long a silent tcp client is asked for; 0: never
  TlsConfig tls;
  SandboxConfig sandbox;
  std::optional<ListenAddress> control;  // a unix socket for commands; none: the server takes none
  std::optional<ListenAddress> metrics;  // where figures are told by HTTP; none: nowhere
};

// What `include` says: which files' exports are served, too.
struct Include {
  std::string pattern;  // an absolute path, with *, ? and [ ] as a shell has them (glob(7))
  Place place;
};

struct Config {
  std::filesystem::path file;  // as the user named it, for messages
  // What relative paths in it count from. Absolute; empty when that is the current folder and it has been deleted.
  std::filesystem::path folder;
  bool is_image = false;  // made for an image named on the command line: messages speak of options, not of keys
  ServerConfig server;
  std::vector<Include> include;
  // Those of the config, then those of each file that it includes. Names are unique; the first also answers the empty
  // name. Empty only with `include`.
  std::vector<ExportConfig> exports;
};

// Reads and checks a config, from a file or a pipe. Throws ConfigError with all mistakes that can be found without
// loading a module.
Config read_config(const std::filesystem::path& file);
// The same, but adds these mistakes to `mistakes`, for those that only modules can find to be told beside them. Throws
// ConfigError when the file cannot be read at all, or is no TOML.
Config read_config(const std::filesystem::path& file, Mistakes& mistakes);

// A config of one export of `all` alone, with the file and folder that it stands in.
Config config_of(const Config& all, const ExportConfig& own);

// What `ashlar serve disk.img` serves: one export named "" (the default) over the file plugin.
Config config_for_image(const std::filesystem::path& image);

}  // namespace ashlar::host
