#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "cli/cli.hpp"
#include "cli/commands.hpp"
#include "cli/words.hpp"
#include "config/did_you_mean.hpp"
#include "config/listen_address.hpp"
#include "config/log_level.hpp"
#include "config/source.hpp"
#include "config/text.hpp"
#include "log/log.hpp"
#include "server/server.hpp"
#include "spawn/environment.hpp"
#include "spawn/handed_sockets.hpp"
#include "spawn/watchdog.hpp"

namespace ashlar::host {
namespace {

std::vector<ListenAddress> listen_addresses(const std::vector<std::string>& texts) {
  std::vector<ListenAddress> all;
  for (const std::string& text : texts) {
    try {
      all.push_back(parse_listen_address(text, current_folder()));
    } catch (const std::invalid_argument& e) {
      throw UsageError(std::string("--listen: ") + e.what());
    }
    const auto twice = [&](const ListenAddress& other) { return same_address(other, all.back()); };
    if (std::any_of(all.begin(), all.end() - 1, twice))
      throw UsageError("--listen: " + in_quotes(text) + " is given twice; take one out");
  }
  return all;
}

[[noreturn]] void refuse_misnamed_config(const std::string& file) {
  throw UsageError("serve: " + in_quotes(file) + " is a config, not a disk image; rename it to " +
                   in_quotes(std::filesystem::path(file).replace_extension(".toml").string()) +
                   ", or write: ashlar serve /dev/stdin <" + shell_word(file));
}

LogLevel log_level(const CommandOptions& options, LogLevel of_config) {
  if (options.log_level) {
    if (const auto level = parse_log_level(*options.log_level)) return *level;
    throw UsageError("--log-level: no level " + in_quotes(*options.log_level) + "; " +
                     did_you_mean(*options.log_level, log_level_names()));
  }
  if (options.verbose == 0) return of_config;
  return options.verbose == 1 ? LogLevel::debug : LogLevel::trace;
}

// What `act` returns; what it finds wrong is the mistake of who has started the server.
template <class Act>
auto as_usage(const std::string& where, Act act) {
  try {
    return act();
  } catch (const std::invalid_argument& e) {
    throw UsageError(where + e.what());
  }
}

// What the command line says of the program that starts the server.
Starter starter_of(const CommandOptions& options) {
  Starter starter;
  if (options.ready_fd) as_usage("--ready-fd: ", [&] { starter.ready = std::make_unique<ReadyFd>(*options.ready_fd); });
  if (options.exit_with_parent) starter.parent = std::make_unique<Parent>();
  if (options.run && options.run->find_first_not_of(" \t\n") == std::string::npos)
    throw UsageError("--run: the command is empty; write one, such as --run 'nbdinfo $uri'");
  starter.run = options.run.value_or("");
  return starter;
}

LineStyle line_style(const CommandOptions& options, const ServerConfig& server) {
  if (options.name && options.name->empty()) throw UsageError("--name: the name is empty; write one, or leave it out");
  return {.format = server.log_format,
          .name = one_line(options.name.value_or("")),
          .journal = is_journal(std::getenv("JOURNAL_STREAM"), STDERR_FILENO)};
}

// A command that the server runs needs no address that others know.
void listen_in_private(ServerConfig& server, Starter& starter) {
  if (starter.run.empty() || !server.listen_is_default) return;
  starter.private_folder = std::make_unique<PrivateFolder>(server.user);
  const std::string socket = (starter.private_folder->path() / "socket").string();
  ListenAddress address = as_usage("--run: ", [&] { return parse_listen_address("unix:" + socket, "/"); });
  address.mode = mode_t{0600};
  address.owner = server.user;
  server.listen = {address};
  server.listen_is_default = false;
}

// A service manager that cannot be told is no reason not to serve.
void tell_service_manager(Starter& starter, Log& log) {
  try {
    starter.watchdog = take_watchdog_time();
  } catch (const std::invalid_argument& e) {
    log.logger()->warn("{}; no sign of life is given", e.what());
  }
  try {
    const auto address = take_variable("NOTIFY_SOCKET");
    if (address && !address->empty()) starter.service_manager = std::make_unique<NotifySocket>(*address);
  } catch (const std::exception& e) {
    log.logger()->warn("{}; the service manager is not told how the server is", e.what());
  }
}

}  // namespace

std::vector<std::filesystem::path> module_folders(const CommandOptions& options, const ServerConfig* config) {
  std::vector<std::filesystem::path> folders;
  for (const std::string& text : options.module_path) {
    std::error_code error;
    if (!std::filesystem::is_directory(text, error))
      throw UsageError("--module-path: " + in_quotes(text) + ": " + (error ? error.message() : "Not a directory") +
                       "; name an existing folder");
    folders.push_back((current_folder() / text).lexically_normal());
  }
  if (config != nullptr) folders.insert(folders.end(), config->module_path.begin(), config->module_path.end());
  return folders;
}

namespace {

// Has the words of the command line take the place of the config's.
void apply(const CommandOptions& options, Config& config) {
  if (!options.listen.empty()) {
    config.server.listen = listen_addresses(options.listen);
    config.server.listen_is_default = false;
  }
  config.server.log_level = log_level(options, config.server.log_level);
}

// How a server that runs has its config read again. `handed`: the sockets that it was given and has not closed;
// `private_address`: where it listens when nobody says where; none: at the default address.
ConfigSource source_of(const CommandOptions& options, const std::vector<HandedSocket>& handed,
                       const std::optional<ListenAddress>& private_address) {
  ConfigSource source;
  if (kind_of_operand(options.operand) == Operand::image)
    source.why_not = "there is no config: the server was started for an image";
  else if (!can_be_read_again(options.operand))
    source.why_not = "the config came from a pipe or a descriptor, which cannot be read again; restart the server";
  else
    source.read = [=](Mistakes& mistakes) {
      if (!can_be_read_again(options.operand))
        throw ConfigError(options.operand, {}, "cannot read the config: it has become a pipe; put a file there");
      Config config = read_config(options.operand, mistakes);
      apply(options, config);
      place_handed_sockets(handed, config);
      if (private_address && config.server.listen_is_default) {
        config.server.listen = {*private_address};
        config.server.listen_is_default = false;
      }
      return config;
    };
  source.module_folders = [options](const ServerConfig& server) { return module_folders(options, &server); };
  return source;
}

}  // namespace

Config config_to_serve(const CommandOptions& options, Mistakes& mistakes) {
  if (options.operand.empty()) throw UsageError("serve: the file's name is empty; name a config or an image");
  const Operand kind = kind_of_operand(options.operand);
  if (kind == Operand::misnamed) refuse_misnamed_config(options.operand);
  const bool is_image = kind == Operand::image;
  if (options.read_only && !is_image)
    throw UsageError("--read-only is for images; write read_only = true in the [[export]] of the config");
  Config config = is_image ? config_for_image(options.operand) : read_config(options.operand, mistakes);
  if (options.read_only) config.exports.front().read_only = true;
  apply(options, config);
  return config;
}

int serve_command(const CommandOptions& options, Streams) {
  Starter starter = starter_of(options);
  let_commands_print();  // the server itself prints nothing on stdout
  if (starter.parent != nullptr && starter.parent->has_gone()) return exit_ok;
  std::vector<HandedSocket> handed = as_usage("serve: ", [] { return take_handed_sockets(); });
  Mistakes mistakes;
  Config config = config_to_serve(options, mistakes);
  const bool placed = mistakes.gather([&] { as_usage("serve: ", [&] { place_handed_sockets(handed, config); }); });
  const auto unused = placed ? close_unused(handed, config.server) : std::vector<std::string>();
  listen_in_private(config.server, starter);
  std::optional<ListenAddress> private_address;
  if (starter.private_folder != nullptr) private_address = config.server.listen.front();
  Registry registry(module_folders(options, &config.server));
  Log log(config.server.log_level, line_style(options, config.server));
  for (const std::string& name : unused)
    log.logger()->warn("the socket {} was handed over, but no address of listen is \"fd:{}\": it is closed",
                       in_quotes(name), one_line(name));
  tell_service_manager(starter, log);
  try {
    return serve(config, mistakes, registry, log, starter, source_of(options, handed, private_address));
  } catch (const ConfigError& e) {
    if (!config.is_image) throw;
    throw UsageError(std::string("serve: ") + e.what());
  }
}

}  // namespace ashlar::host
