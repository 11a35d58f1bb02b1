#include "config/names.hpp"

#include <map>
#include <string_view>

#include "config/text.hpp"

namespace ashlar::host {

void refuse_doubled_names(Config& config, Mistakes& mistakes) {
  std::map<std::string_view, const ExportConfig*> first;
  for (ExportConfig& own : config.exports) {
    if (own.name_place.line == 0) continue;  // it has none, which has been told
    const auto [used, is_new] = first.emplace(own.name, &own);
    if (is_new) continue;
    const ExportConfig& other = *used->second;
    own.flawed = true;
    mistakes.add(ConfigError(own.file, own.name_place,
                             "key \"name\": " + in_quotes(own.name) + " is the name of the export in line " +
                                 std::to_string(other.place.line) +
                                 (other.file == own.file ? "" : " of " + other.file.string()) +
                                 " too; name one of them differently"));
  }
}

}  // namespace ashlar::host
