#include "config/config.hpp"

#include "config/reader.hpp"
#include "config/source.hpp"
#include "config/text.hpp"
#include "config/toml_source.hpp"

namespace ashlar::host {
namespace {

std::string with_place(const std::filesystem::path& file, Place place, const std::string& what) {
  if (file.empty()) return one_line(what);
  std::string text = file.native();
  if (place.line != 0) text += ':' + std::to_string(place.line) + ':' + std::to_string(place.column);
  return one_line(text + ": " + what);
}

}  // namespace

ConfigError::ConfigError(const std::filesystem::path& file, Place place, const std::string& what)
    : std::runtime_error(with_place(file, place, what)) {}

Config read_config(const std::filesystem::path& file) {
  const TomlTable root = parse_toml(file, read_config_text(file));
  return ConfigReader(file, folder_of_config(file)).read(root);
}

Config config_for_image(const std::filesystem::path& image) {
  Config config;
  config.file = image;
  config.folder = current_folder();
  config.is_image = true;
  config.server.listen = {default_listen_address()};
  ExportConfig& disk = config.exports.emplace_back();
  disk.plugin.type = "file";
  disk.plugin.parameters.push_back({"path", {}, {}, (config.folder / image).string()});
  return config;
}

}  // namespace ashlar::host
