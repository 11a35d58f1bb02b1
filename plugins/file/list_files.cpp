#include "list_files.hpp"

#include <ashlar/params.hpp>
#include <filesystem>
#include <system_error>

namespace ashlar::file {
namespace {

// The name of a file with a '*' in it.
struct Pattern {
  std::string before, after;  // the '*'

  // What stands in the place of the '*' in `name`; empty: nothing that could.
  std::string star_in(const std::string& name) const {
    if (name.starts_with('.') || name.size() <= before.size() + after.size()) return {};
    if (!name.starts_with(before) || !name.ends_with(after)) return {};
    std::string star = name.substr(before.size(), name.size() - before.size() - after.size());
    return star.starts_with('.') ? std::string() : star;
  }
};

Pattern pattern_of(const std::string& path) {
  const auto star = path.find('*');
  if (star == std::string::npos || path.find('/', star) != std::string::npos)
    throw BadParameter("path", "'" + path + "' has no * in its last part, for which the names of files could stand");
  if (path.find('*', star + 1) != std::string::npos)
    throw BadParameter("path", "'" + path + "' has more than one *; one can stand for a name");
  const std::size_t name = path.rfind('/') + 1;  // 0 when there is none
  return {path.substr(name, star - name), path.substr(star + 1)};
}

}  // namespace

void list_files(const std::string& path, const ExportsSink& sink) {
  const Pattern pattern = pattern_of(path);
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  std::filesystem::directory_iterator file(folder.empty() ? "." : folder, error);
  for (; !error && file != std::filesystem::directory_iterator{}; file.increment(error)) {
    const std::string star = pattern.star_in(file->path().filename().string());
    std::error_code gone;  // meanwhile, or a link that leads nowhere
    if (!star.empty() && file->is_regular_file(gone) && !sink.add(star)) break;
  }
  if (error) throw BadParameter("path", "cannot list '" + folder.string() + "': " + error.message(), error.value());
}

}  // namespace ashlar::file
