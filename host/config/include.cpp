#include "config/include.hpp"

#include <glob.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "config/reader.hpp"
#include "config/source.hpp"
#include "config/text.hpp"
#include "config/toml_source.hpp"

namespace ashlar::host {
namespace {

// The files that fit, in the order of their names. Throws ConfigError when a folder cannot be read; one that is not
// there has no files.
std::vector<std::filesystem::path> files_of(const Include& include, const std::filesystem::path& config) {
  glob_t found{};
  errno = 0;
  const int result = ::glob(include.pattern.c_str(), GLOB_ERR, nullptr, &found);
  const int error = result == GLOB_NOSPACE ? ENOMEM : errno;
  std::vector<std::filesystem::path> files(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (result != 0 && result != GLOB_NOMATCH && error != ENOENT)
    throw ConfigError(config, include.place,
                      "key \"include\": " + in_quotes(include.pattern) + ": " + std::generic_category().message(error));
  std::sort(files.begin(), files.end());
  return files;
}

// A pipe that somebody has put there would be waited for without an end.
void refuse_what_is_no_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_directory(status) &&
      !std::filesystem::is_regular_file(status))
    throw ConfigError(file, {}, "cannot read the config: it is not a regular file; take it out of the folder");
}

}  // namespace

void read_included(Config& config, Mistakes& mistakes) {
  std::set<std::filesystem::path> seen;
  for (const Include& include : config.include)
    mistakes.gather([&] {
      for (const std::filesystem::path& file : files_of(include, config.file))
        if (seen.insert(file).second)
          mistakes.gather([&] {
            mistakes.expect(file);
            refuse_what_is_no_file(file);
            const TomlTable root = parse_toml(file, read_config_text(file));
            ConfigReader(file, folder_of_config(file), mistakes).read_included(root, config);
          });
    });
}

}  // namespace ashlar::host
