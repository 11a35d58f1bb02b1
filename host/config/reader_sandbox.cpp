// ConfigReader's sandbox: a word, or a table with what is allowed beside what the config needs.
#include "config/reader.hpp"
#include "config/reader_table.hpp"
#include "config/text.hpp"

namespace ashlar::host {

std::span<const ConfigReader::Key<SandboxConfig>> ConfigReader::sandbox_keys() {
  static constexpr Key<SandboxConfig> keys[] = {{"mode", &ConfigReader::read_sandbox_mode},
                                                {"connect", &ConfigReader::read_sandbox_connect},
                                                {"read", &ConfigReader::read_sandbox_read},
                                                {"write", &ConfigReader::read_sandbox_write}};
  return keys;
}

void ConfigReader::read_sandbox(const TomlEntry& entry, ServerConfig& into) const {
  if (const auto* keys = std::get_if<TomlTable>(&entry.node.value))
    read_table(*keys, sandbox_keys(), "sandbox", into.sandbox);
  else read_sandbox_mode(entry, into.sandbox);
}

void ConfigReader::read_sandbox_mode(const TomlEntry& entry, SandboxConfig& into) const {
  const std::vector<std::string> modes{"off", "auto", "require"};
  const std::string& text = string(entry.key, entry.node, R"(write sandbox = "auto")");
  const auto mode = std::find(modes.begin(), modes.end(), text);
  if (mode == modes.end())
    fail(entry.node.place, entry.key, "no mode " + in_quotes(text) + "; " + did_you_mean(text, modes));
  into.mode = static_cast<SandboxConfig::Mode>(mode - modes.begin());
}

void ConfigReader::read_sandbox_connect(const TomlEntry& entry, SandboxConfig& into) const {
  into.connect = boolean(entry);
}

void ConfigReader::read_sandbox_read(const TomlEntry& entry, SandboxConfig& into) const {
  into.read = sandbox_paths(entry);
}

void ConfigReader::read_sandbox_write(const TomlEntry& entry, SandboxConfig& into) const {
  into.write = sandbox_paths(entry);
}

std::vector<std::filesystem::path> ConfigReader::sandbox_paths(const TomlEntry& entry) const {
  const std::string hint = "write " + entry.key + R"( = ["/folder"])";
  std::vector<std::filesystem::path> paths;
  for (const TomlNode& node : array(entry, "an array of paths", hint.c_str())) {
    const std::string& text = string(entry.key, node, hint);
    if (text.empty()) fail(node.place, entry.key, "is an empty path; name a file or folder");
    const std::filesystem::path path = folder_ / text;
    std::error_code error;
    if (!std::filesystem::exists(path, error))
      fail(node.place, entry.key,
           path.string() + ": " + (error ? error.message() : "No such file or directory") +
               "; name an existing file or folder");
    paths.push_back(path);
  }
  return paths;
}

}  // namespace ashlar::host
