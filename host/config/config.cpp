#include "config/config.hpp"

#include "config/include.hpp"
#include "config/names.hpp"
#include "config/overlays.hpp"
#include "config/reader.hpp"
#include "config/source.hpp"
#include "config/toml_source.hpp"
#include "config/traces.hpp"

namespace ashlar::host {

Config read_config(const std::filesystem::path& file) {
  Mistakes mistakes;
  Config config = read_config(file, mistakes);
  mistakes.throw_if_any();
  return config;
}

Config read_config(const std::filesystem::path& file, Mistakes& mistakes) {
  mistakes.expect(file);
  const TomlTable root = parse_toml(file, read_config_text(file));
  Config config = ConfigReader(file, folder_of_config(file), mistakes).read(root);
  read_included(config, mistakes);
  refuse_doubled_names(config, mistakes);
  refuse_shared_overlays(config, mistakes);
  refuse_shared_traces(config, mistakes);
  refuse_folders_of_traces(config, mistakes);
  return config;
}

Config config_of(const Config& all, const ExportConfig& own) {
  return {.file = own.file,
          .folder = own.folder,
          .is_image = all.is_image,
          .server = all.server,
          .include = {},
          .exports = {own}};
}

Config config_for_image(const std::filesystem::path& image) {
  Config config;
  config.file = image;
  config.folder = current_folder();
  config.is_image = true;
  config.server.listen = {default_listen_address()};
  config.server.listen_is_default = true;
  ExportConfig& disk = config.exports.emplace_back();
  disk.file = config.file;
  disk.folder = config.folder;
  disk.plugin.type = "file";
  disk.plugin.parameters.push_back({"path", {}, {{}, (config.folder / image).string()}});
  return config;
}

}  // namespace ashlar::host
