#include "cli/project.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "cli/templates.hpp"

namespace ashlar::host {
namespace {

bool is_small_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Words of a template, and what stands for them in a project.
using Words = std::vector<std::pair<std::string_view, std::string_view>>;

std::string filled_in(std::string_view text, const Words& words) {
  std::string filled;
  while (!text.empty()) {
    const auto here = std::ranges::find_if(words, [text](const auto& word) { return text.starts_with(word.first); });
    filled += here != words.end() ? here->second : text.substr(0, 1);
    text.remove_prefix(here != words.end() ? here->first.size() : 1);
  }
  return filled;
}

[[noreturn]] void fail(int code, const std::filesystem::path& path) {
  throw std::system_error(code, std::generic_category(), path.string());
}

// Fails when there is such a file: two of a project that have the same name would be one.
void write_file(const std::filesystem::path& path, const std::string& text) {
  errno = 0;
  std::FILE* const file = std::fopen(path.c_str(), "wbx");
  if (file == nullptr) fail(errno, path);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const int code = errno;
  if (std::fclose(file) != 0) fail(errno, path);
  if (!written) fail(code != 0 ? code : EIO, path);
}

}  // namespace

bool is_module_name(std::string_view name) {
  if (name.empty() || name.size() > 64 || !is_small_letter(name[0]) || name.back() == '-') return false;
  return name.find("--") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_small_letter(c) || is_digit(c) || c == '-'; });
}

std::string as_module_name(std::string_view text) {
  std::string name;
  bool between_words = false;
  for (const char c : text) {
    const char small = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (!is_small_letter(small) && !is_digit(small)) {
      between_words = !name.empty();
      continue;
    }
    if (std::exchange(between_words, false)) name += '-';
    name += small;
  }
  return is_module_name(name) ? name : "";
}

std::vector<ProjectFile> project_files(ModuleKind kind, const std::string& name, Language language) {
  const bool plugin = kind == ModuleKind::plugin, c = language == Language::c;
  const char* const source =
      plugin ? (c ? templates::plugin_c : templates::plugin_cpp) : (c ? templates::filter_c : templates::filter_cpp);
  const std::string source_name = name + (c ? ".c" : ".cpp");
  const std::string test_name = "test-" + name + ".cpp";  // a module may be called test
  std::vector<ProjectFile> files{
      {"CMakeLists.txt", templates::cmake},
      {"README.md", templates::readme},
      {source_name, source},
      {test_name, plugin ? templates::plugin_test : templates::filter_test},
      {name + ".toml", plugin ? templates::plugin_config : templates::filter_config},
      {".gitignore", templates::gitignore},
  };
  const Words words{{"new-kind", plugin ? "plugin" : "filter"},
                    {"new-languages", c ? "C CXX" : "CXX"},
                    {"new-source", source_name},
                    {"new-test", test_name},
                    {"new-check-args", plugin ? " CHECK_ARGS --write size=1M" : ""},
                    {"new-check-options", plugin ? " --write" : ""},
                    {"new-check-parameters", plugin ? " size=1M" : ""},
                    {"new-module", name}};
  for (ProjectFile& file : files) file.text = filled_in(file.text, words);
  return files;
}

void write_project(const std::filesystem::path& folder, const std::vector<ProjectFile>& files) {
  std::error_code error;
  if (const auto parent = folder.parent_path(); !parent.empty()) {
    std::filesystem::create_directories(parent, error);
    if (error) fail(error.value(), parent);
  }
  // Fails when anything has that name: so all that is in the folder is what is put there now.
  if (::mkdir(folder.c_str(), 0777) != 0) fail(errno, folder);
  try {
    for (const ProjectFile& file : files) write_file(folder / file.name, file.text);
  } catch (...) {
    for (const ProjectFile& file : files) std::filesystem::remove(folder / file.name, error);
    std::filesystem::remove(folder, error);
    throw;
  }
}

}  // namespace ashlar::host
