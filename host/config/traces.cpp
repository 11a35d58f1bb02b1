#include "config/traces.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "config/layer_files.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

// Where a layer is called by its tag, and in its trace.
struct Tag {
  std::string name;
  Place place;
  bool is_number;  // of the layer in the chain, as no other was given
};

Tag tag_of(const LayerConfig& layer, std::size_t number) {
  if (const TomlEntry* const entry = text_of(layer, "trace", "tag"))
    return {std::get<std::string>(entry->node.value), entry->node.place, false};
  return {std::to_string(number), layer.place, true};
}

// Two layers of an export with one tag could not be told apart.
void refuse_shared_tags(const ExportConfig& own, Mistakes& mistakes) {
  std::map<std::string, Tag> known;
  for (std::size_t i = 0; i != own.filters.size(); ++i) {
    if (own.filters[i].type != "trace") continue;
    const Tag here = tag_of(own.filters[i], i + 1);
    const auto [first, added] = known.try_emplace(here.name, here);
    if (added) continue;
    const Tag& given = here.is_number ? first->second : here;
    const Tag& other = here.is_number ? here : first->second;
    mistakes.add(ConfigError(own.file, given.place,
                             "key \"tag\": " + in_quotes(here.name) + " is the tag of the layer at line " +
                                 std::to_string(other.place.line) + ", too" +
                                 (other.is_number ? ", which has none and so its number in the chain" : "") +
                                 "; give each one of its own"));
  }
}

// Where something of one export stands, told at another one, which may be in another file.
std::string line_of(const ExportConfig& there, Place place, const ExportConfig& here) {
  return "line " + std::to_string(place.line) + (there.file == here.file ? "" : " of " + there.file.string());
}

struct First {
  const ExportConfig& own;
  Place place;
};
using Known = std::map<std::filesystem::path, First>;

const First* find(const Known& known, const std::filesystem::path& path) {
  const auto at = known.find(path);
  return at != known.end() ? &at->second : nullptr;
}

// Of PATH.ring and PATH.1, PATH.2 …, which the filter makes beside PATH: PATH; else the same.
std::filesystem::path without_suffix(const std::filesystem::path& path) {
  const std::string suffix = path.extension().string();
  const bool is_number = suffix.size() > 1 && suffix.find_first_not_of("0123456789", 1) == std::string::npos;
  return is_number || suffix == ".ring" ? std::filesystem::path(path).replace_extension() : path;
}

// A file of another layer that a trace must not be.
struct Other {
  const ExportConfig& own;
  Place place;
  const char* what;
};
using Others = std::map<std::filesystem::path, Other>;

void add_disks(const ExportConfig& own, Others& others) {
  const auto add = [&](const TomlNode& node, const char* what) {
    if (const auto* const text = std::get_if<std::string>(&node.value))
      others.emplace(file_identity(own.folder / *text), Other{own, node.place, what});
  };
  for (const char* type : {"file", "block"})
    if (const TomlEntry* const entry = text_of(own.plugin, type, "path")) add(entry->node, "the disk of the plugin");
  if (own.plugin.type == "split")
    for (const TomlEntry& entry : own.plugin.parameters)
      if (const auto* const paths = std::get_if<TomlArray>(&entry.node.value); entry.key == "paths" && paths != nullptr)
        for (const TomlNode& path : *paths) add(path, "a part of the disk of the plugin");
  for (const LayerConfig& filter : own.filters)
    if (const TomlEntry* const entry = text_of(filter, "cow", "path")) add(entry->node, "the overlay of the layer");
}

// A disk, or an overlay, that is empty would pass for a trace that has not been begun.
void refuse_disks(const Config& config, Mistakes& mistakes) {
  Others others;
  for (const ExportConfig& own : config.exports) add_disks(own, others);
  for (const ExportConfig& own : config.exports)
    for (const LayerConfig& filter : own.filters) {
      const TomlEntry* const entry = text_of(filter, "trace", "path");
      if (entry == nullptr) continue;
      const auto& text = std::get<std::string>(entry->node.value);
      const auto found = others.find(file_identity(own.folder / text));
      if (found == others.end()) continue;
      const Other& other = found->second;
      mistakes.add(ConfigError(own.file, entry->node.place,
                               "key \"path\": " + in_quotes(text) + " is " + other.what + " at " +
                                   line_of(other.own, other.place, own) + "; give the trace a file of its own"));
    }
}

}  // namespace

void refuse_shared_traces(const Config& config, Mistakes& mistakes) {
  refuse_disks(config, mistakes);
  Known first, beside;  // by its path; by the path that it is beside
  for (const ExportConfig& own : config.exports) {
    refuse_shared_tags(own, mistakes);
    for (const LayerConfig& filter : own.filters) {
      const TomlEntry* const entry = text_of(filter, "trace", "path");
      if (entry == nullptr) continue;
      const auto& text = std::get<std::string>(entry->node.value);
      if (own.is_template() && text.find('*') == std::string::npos) {
        mistakes.add(ConfigError(own.file, entry->node.place,
                                 "key \"path\": " + in_quotes(text) + " would be the trace of all exports that " +
                                     in_quotes(own.name) + " stands for; put a * into it"));
        continue;
      }
      const std::filesystem::path path = file_identity(own.folder / text), base = without_suffix(path);
      const First here{own, entry->node.place};
      const First* const same = find(first, path);
      const First* known = same != nullptr ? same : find(first, base);
      if (known == nullptr) known = find(beside, path);
      first.emplace(path, here);
      if (base != path) beside.emplace(base, here);
      if (known == nullptr) continue;
      const std::string other = "the trace of the layer at " + line_of(known->own, known->place, own);
      mistakes.add(
          ConfigError(own.file, entry->node.place,
                      "key \"path\": " + in_quotes(text) +
                          (same != nullptr ? " is " + other + ", too; give each a file of its own"
                                           : " and " + other +
                                                 " would meet, as a trace may make files "
                                                 "PATH.ring, PATH.1, PATH.2 … beside it; choose another name")));
    }
  }
}

void refuse_folders_of_traces(const Config& config, Mistakes& mistakes, const std::string& who) {
  for (const ExportConfig& own : config.exports) {
    if (!own.is_template() || own.optional) continue;
    for (const LayerConfig& filter : own.filters) {
      const TomlEntry* const entry = text_of(filter, "trace", "path");
      if (entry == nullptr) continue;
      const std::filesystem::path folder = (own.folder / std::get<std::string>(entry->node.value)).parent_path();
      if (folder.native().find('*') != std::string::npos) continue;
      if (::faccessat(AT_FDCWD, folder.empty() ? "." : folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) continue;
      mistakes.add(ConfigError(own.file, entry->node.place,
                               "key \"path\": " + (who.empty() ? "" : "as " + who + ": ") + "no trace can be made in " +
                                   in_quotes(folder.string()) + ": " + std::strerror(errno)));
    }
  }
}

}  // namespace ashlar::host
