#include "module/secret.hpp"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "config/did_you_mean.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t most_bytes = 64 << 10;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

std::string text_of_file(const std::filesystem::path& file) {
  const std::string name = in_quotes(file.string());
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (error) refuse("cannot read " + name + ": " + error.message());
  if (!std::filesystem::is_regular_file(status))
    refuse("cannot read " + name + ": it is not a regular file; name the file that holds the secret");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) refuse("cannot read " + name + ": " + std::generic_category().message(errno != 0 ? errno : EIO));
  std::string text(most_bytes + 2, '\0');  // the longest secret, its newline, and one more to see that there is more
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) refuse("cannot read " + name + ": " + std::generic_category().message(EIO));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.ends_with('\n')) text.pop_back();
  if (text.size() > most_bytes) refuse(name + " is larger than 64 KiB; name the file that holds the secret alone");
  if (text.empty()) refuse(name + " is empty; write the secret into it");
  if (text.find('\0') != std::string::npos) refuse(name + " has a NUL character in it; take it out");
  return text;
}

Secret from_file(const std::string& path, const std::filesystem::path& folder) {
  if (path.empty()) refuse("is an empty path; name a file");
  const std::filesystem::path file = folder / path;
  return {text_of_file(file), "file " + in_quotes(file.string())};
}

Secret from_environment(const std::string& name, const std::filesystem::path&) {
  if (name.empty() || name.find('=') != std::string::npos)
    refuse(in_quotes(name) + " is no name of an environment variable");
  const char* const text = std::getenv(name.c_str());
  if (text == nullptr) refuse("the environment variable " + in_quotes(name) + " is not set; set it");
  if (*text == '\0') refuse("the environment variable " + in_quotes(name) + " is empty; put the secret into it");
  return {text, "env " + in_quotes(name)};
}

Secret from_credential(const std::string& name, const std::filesystem::path&) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    refuse(in_quotes(name) + " is no name of a credential; write the one that LoadCredential= of the unit gives it");
  const char* const folder = std::getenv("CREDENTIALS_DIRECTORY");
  if (folder == nullptr || *folder == '\0')
    refuse("there is no $CREDENTIALS_DIRECTORY; systemd sets it when the unit has LoadCredential=" + name +
           ":/its/file");
  return {text_of_file(std::filesystem::path(folder) / name), "credential " + in_quotes(name)};
}

struct Source {
  const char* key;
  Secret (*read)(const std::string& value, const std::filesystem::path& folder);
};
constexpr Source sources[] = {{"file", &from_file}, {"env", &from_environment}, {"credential", &from_credential}};

const Source* find_source(const std::string& key) {
  for (const Source& source : sources)
    if (key == source.key) return &source;
  return nullptr;
}

[[noreturn]] void fail(const std::filesystem::path& config, Place place, const std::string& key,
                       const std::string& what) {
  throw ConfigError(config, place, "key " + in_quotes(key) + ": " + what);
}

// The only key of a table that says where a secret is.
const TomlEntry& place_of_secret(const std::filesystem::path& config, const std::string& key, const TomlNode& value) {
  const auto* table = std::get_if<TomlTable>(&value.value);
  if (table == nullptr)
    fail(config, value.place, key,
         std::string("found ") + type_name(value.value) +
             ", wanted a secret; write it in quotes, or where it is, such as { file = \"key\" }");
  if (table->empty())
    fail(config, value.place, key,
         "says not where the secret is; write { file = … }, { env = … } or { credential = … }");
  for (const TomlEntry& entry : *table)
    if (find_source(entry.key) == nullptr)
      fail(config, entry.place, entry.key,
           "unknown in a secret; " + did_you_mean(entry.key, std::vector<std::string>{"file", "env", "credential"}));
  if (table->size() > 1)
    fail(config, (*table)[1].place, (*table)[1].key,
         "given beside " + in_quotes(table->front().key) + "; a secret is in one place: keep one of them");
  return table->front();
}

// The string that `key` has as its value.
const std::string& string(const std::filesystem::path& config, const std::string& key, const TomlNode& value) {
  const auto* text = std::get_if<std::string>(&value.value);
  if (text == nullptr)
    fail(config, value.place, key,
         std::string("found ") + type_name(value.value) + ", wanted a string; write it in quotes");
  if (text->find('\0') != std::string::npos) fail(config, value.place, key, "has a NUL character; take it out");
  return *text;
}

}  // namespace

Secret read_secret(const std::filesystem::path& config, const std::string& key, const TomlNode& value,
                   const std::filesystem::path& folder) {
  if (std::holds_alternative<std::string>(value.value)) return {string(config, key, value), ""};
  const TomlEntry& entry = place_of_secret(config, key, value);
  try {
    return find_source(entry.key)->read(string(config, entry.key, entry.node), folder);
  } catch (const std::invalid_argument& e) {
    fail(config, entry.node.place, entry.key, e.what());
  }
}

}  // namespace ashlar::host
