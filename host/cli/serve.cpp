#include <algorithm>
#include <system_error>

#include "cli/commands.hpp"
#include "cli/words.hpp"
#include "config/did_you_mean.hpp"
#include "config/listen_address.hpp"
#include "config/log_level.hpp"
#include "config/source.hpp"
#include "config/text.hpp"
#include "log/log.hpp"
#include "server/server.hpp"

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
  if (!options.log_level.empty()) {
    if (const auto level = parse_log_level(options.log_level)) return *level;
    throw UsageError("--log-level: no level " + in_quotes(options.log_level) + "; " +
                     did_you_mean(options.log_level, log_level_names()));
  }
  if (options.verbose == 0) return of_config;
  return options.verbose == 1 ? LogLevel::debug : LogLevel::trace;
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

Config config_to_serve(const CommandOptions& options, Mistakes& mistakes) {
  if (options.operand.empty()) throw UsageError("serve: the file's name is empty; name a config or an image");
  const Operand kind = kind_of_operand(options.operand);
  if (kind == Operand::misnamed) refuse_misnamed_config(options.operand);
  const bool is_image = kind == Operand::image;
  if (options.read_only && !is_image)
    throw UsageError("--read-only is for images; write read_only = true in the [[export]] of the config");
  Config config = is_image ? config_for_image(options.operand) : read_config(options.operand, mistakes);
  if (options.read_only) config.exports.front().read_only = true;
  if (!options.listen.empty()) config.server.listen = listen_addresses(options.listen);
  config.server.log_level = log_level(options, config.server.log_level);
  return config;
}

int serve_command(const CommandOptions& options, Streams) {
  Mistakes mistakes;
  const Config config = config_to_serve(options, mistakes);
  Registry registry(module_folders(options, &config.server));
  Log log(config.server.log_level);
  try {
    return serve(config, mistakes, registry, log);
  } catch (const ConfigError& e) {
    if (!config.is_image) throw;
    throw UsageError(std::string("serve: ") + e.what());
  }
}

}  // namespace ashlar::host
