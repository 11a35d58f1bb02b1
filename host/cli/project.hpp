// A new module's project: what `ashlar new` writes for an author to start from. Its files are made of those in
// host/cli/templates.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "module/library.hpp"

namespace ashlar::host {

enum class Language { cpp, c };

struct ProjectFile {
  std::string name;  // within the project's folder
  std::string text;
};

// Whether a new module may have that name: letters a to z, digits and single hyphens between them, a letter first, at
// most 64 of them. So it is a word in a config, in CMake and in a shell, and the name of a file.
bool is_module_name(std::string_view name);

// The nearest name that a new module may have: small letters, hyphens for what is between words. Empty: there is none.
std::string as_module_name(std::string_view text);

// All files of a project that builds the module `name`. Pure.
std::vector<ProjectFile> project_files(ModuleKind kind, const std::string& name, Language language);

// Makes `folder`, the folders above it where they are missing, and the files in it. Throws std::system_error, with
// errc::file_exists when there is anything at `folder`. Overwrites nothing; after a failure nothing stays in `folder`.
void write_project(const std::filesystem::path& folder, const std::vector<ProjectFile>& files);

}  // namespace ashlar::host
