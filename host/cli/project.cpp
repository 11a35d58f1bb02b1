#include "cli/project.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "cli/templates.hpp"

namespace ashlar::host {
namespace {

bool is_small_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What is written for the letters from U+00C0 to U+00DF, which are those from U+00E0 on but for the last, where there
// are only a to z. In UTF-8 all of them begin with 0xC3.
constexpr std::array<std::string_view, 32> latin{"a",  "a", "a", "a", "ae", "a", "ae", "c", "e",  "e", "e",
                                                 "e",  "i", "i", "i", "i",  "d", "n",  "o", "o",  "o", "o",
                                                 "oe", "-", "o", "u", "u",  "u", "ue", "y", "th", "ss"};

// Without the marks that make another letter of the one before them, from U+0300 to U+036F.
std::string in_small_ascii(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    if (c == '\xc3' && next >= 0x80) {
      out += next == 0xbf ? "y" : latin[next % latin.size()];
      ++i;
    } else if ((c == '\xcc' && next >= 0x80) || (c == '\xcd' && next >= 0x80 && next <= 0xaf)) {
      ++i;
    } else {
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return out;
}

// Words of a template, and what stands for them in a project.
using Replacements = std::vector<std::pair<std::string_view, std::string_view>>;

std::string filled_in(std::string_view text, const Replacements& words) {
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
  for (const char c : in_small_ascii(text)) {
    if (!is_small_letter(c) && !is_digit(c)) {
      between_words = !name.empty();
      continue;
    }
    if (std::exchange(between_words, false)) name += '-';
    name += c;
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
  const Replacements words{{"new-kind", plugin ? "plugin" : "filter"},
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
