// The commands behind the command line. Each throws ConfigError, ModuleError or UsageError for what the user can put
// right, and other exceptions for failures at run time; returns the exit code.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "config/config.hpp"
#include "module/registry.hpp"

namespace ashlar::host {

// Writes "ashlar: TEXT" to `err` as one line.
void print_mistake(std::ostream& err, const std::string& text);

struct CommandOptions {
  std::string operand;  // serve: config or image; check: config; inspect, new: module; list: nothing; probe: path;
                        // certs: folder
  std::vector<std::string> module_path;
  // serve only
  std::vector<std::string> listen;
  std::optional<std::string> log_level;  // none: the config's
  int verbose = 0;                       // 1: debug; 2 and more: trace
  std::optional<std::string> ready_fd;   // the number of a descriptor
  bool exit_with_parent = false;
  std::optional<std::string> run;   // a command
  std::optional<std::string> name;  // of the server, in its log
  // serve and probe
  bool read_only = false;
  // new only
  std::string kind;                // "plugin" or "filter", if it is right
  std::optional<std::string> dir;  // the project's folder; none: that of the module's name
  bool in_c = false;               // not in C++
  // certs only
  std::vector<std::string> hosts;    // each a list with commas between
  std::vector<std::string> clients;  // names
  std::vector<std::string> users;    // of keys
  std::string days = "365";          // a number, if it is right
  // probe only
  std::optional<std::string> plugin;  // none: by the kind of the path
  // check only
  std::vector<std::string> as;  // "KEY=VALUE,…": a client; none: nobody in particular
  // check, list, inspect, probe, status and reload
  bool json = false;
  // those that talk to a running server
  std::optional<std::string> control;      // its address; none: see control_address()
  std::optional<std::string> export_name;  // disconnect
  bool drain = false;                      // reload
  std::string verb;                        // control; `operand` is EXPORT/LAYER
  std::vector<std::string> arguments;      // of the verb
};

int serve_command(const CommandOptions& options, Streams streams);
int check_command(const CommandOptions& options, Streams streams);
int list_command(const CommandOptions& options, Streams streams);
int inspect_command(const CommandOptions& options, Streams streams);
int probe_command(const CommandOptions& options, Streams streams);
int new_command(const CommandOptions& options, Streams streams);
int status_command(const CommandOptions& options, Streams streams);
int disconnect_command(const CommandOptions& options, Streams streams);
int drain_command(const CommandOptions& options, Streams streams);
int log_level_command(const CommandOptions& options, Streams streams);
int control_command(const CommandOptions& options, Streams streams);
int reload_command(const CommandOptions& options, Streams streams);
int top_command(const CommandOptions& options, Streams streams);
int certs_command(const CommandOptions& options, Streams streams);

// The folders to find modules in: those of the command line before those of the config. Throws UsageError when one of
// the command line is no folder.
std::vector<std::filesystem::path> module_folders(const CommandOptions& options, const ServerConfig* config = nullptr);

// What `serve` serves: the config, or the image when the name does not end in .toml, with the command line's overrides.
// Mistakes in the config are added to `mistakes`.
Config config_to_serve(const CommandOptions& options, Mistakes& mistakes);

}  // namespace ashlar::host
