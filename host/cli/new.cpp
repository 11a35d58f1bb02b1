#include <stdlib.h>

#include <optional>
#include <system_error>

#include "cli/commands.hpp"
#include "cli/project.hpp"
#include "cli/words.hpp"
#include "config/did_you_mean.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

ModuleKind kind_of(const CommandOptions& options) {
  for (const ModuleKind kind : {ModuleKind::plugin, ModuleKind::filter})
    if (options.kind == name(kind)) return kind;
  const std::vector<std::string> kinds{"plugin", "filter"};
  throw UsageError("new: " + in_quotes(options.kind) + " is neither plugin nor filter; write: ashlar new " +
                   nearest(options.kind, kinds).value_or("plugin") + " " + shell_word(options.operand));
}

// Of a path its last part is taken for the name, and all of it for the folder.
void check_name(const CommandOptions& options) {
  const std::string& name = options.operand;
  if (is_module_name(name)) return;
  const bool is_path = name.find('/') != std::string::npos;
  const std::string meant = as_module_name(is_path ? name.substr(name.rfind('/') + 1) : name);
  throw UsageError("new: " + in_quotes(name) +
                   " is no name for a module: it has letters a to z, digits and single hyphens between them, a letter "
                   "first, and is at most 64 long; write: ashlar new " +
                   options.kind + " " + (meant.empty() ? "NAME" : meant) +
                   (is_path && !options.dir ? " --dir " + shell_word(name) : ""));
}

// A config could name only one of the two.
void refuse_taken_name(ModuleKind kind, const std::string& module) {
  try {
    Registry({}).find(kind, module);
  } catch (const ModuleNotFound&) {
    return;
  } catch (const ModuleError&) {
    // It is there, and cannot be used here.
  }
  throw UsageError("new: ashlar has a " + std::string(name(kind)) + " " + in_quotes(module) +
                   " already, and the type of a layer in a config can mean only one; choose another name, such as my-" +
                   module);
}

std::filesystem::path folder_of(const CommandOptions& options) {
  if (options.dir && options.dir->empty())
    throw UsageError("new: --dir: the folder's name is empty; name one to be made, or leave the option out");
  std::filesystem::path folder = options.dir.value_or(options.operand);
  if (!folder.has_filename()) folder = folder.parent_path();  // it was written with a '/' at its end
  return folder;
}

// The folder that ashlar is installed in; none: this program runs from where it was built.
std::optional<std::filesystem::path> installed_prefix() {
  const auto prefix = builtin_module_folder().parent_path().parent_path();
  std::error_code error;
  if (!std::filesystem::exists(prefix / "lib/cmake/ashlar-sdk/ashlar-sdk-config.cmake", error)) return std::nullopt;
  return prefix;
}

// What to type next, one command a line.
std::string next_commands(ModuleKind kind, const std::string& module, const std::filesystem::path& folder) {
  const auto word = [](const std::filesystem::path& path) { return shell_word(path.string()); };
  const auto installed = installed_prefix();
  const std::filesystem::path prefix = installed.value_or("/opt/ashlar"), build = folder / "build";
  std::string text;
  if (!installed) {
    const auto built = builtin_module_folder().parent_path().parent_path();
    text += "  cmake --install " + word(built) + " --prefix " + word(prefix) + "\n";
  }
  text += "  cmake -S " + word(folder) + " -B " + word(build) + " -DCMAKE_PREFIX_PATH=" + word(prefix) + "\n";
  text += "  cmake --build " + word(build) + "\n";
  text += "  ctest --test-dir " + word(build) + " --output-on-failure\n";
  // A plugin's data are overwritten, so it gets a small disk, which takes a short time; a filter is checked over one.
  const bool plugin = kind == ModuleKind::plugin;
  text += "  " + word(prefix / "bin/ashlar-check") + (plugin ? " --write " : " ") + word(build / (module + ".so")) +
          (plugin ? " size=1M" : "") + "\n";
  text += "  " + word(prefix / "bin/ashlar") + " serve " + word(folder / (module + ".toml")) + "\n";
  return text;
}

}  // namespace

int new_command(const CommandOptions& options, Streams streams) {
  const ModuleKind kind = kind_of(options);
  check_name(options);
  refuse_taken_name(kind, options.operand);
  const std::filesystem::path folder = folder_of(options);
  const auto files = project_files(kind, options.operand, options.in_c ? Language::c : Language::cpp);
  try {
    write_project(folder, files);
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::file_exists)
      throw UsageError("new: " + in_quotes(folder.string()) +
                       " is there already, and stays as it is; name a folder to be made with --dir");
    throw std::runtime_error(std::string("new: cannot write ") + e.what());
  }
  streams.out << "Wrote " << shell_word(folder.string()) << ":";
  for (const ProjectFile& file : files) streams.out << " " << file.name;
  streams.out << "\n\nTo build it, test it, check that it keeps what every module has to keep, and serve it:\n\n"
              << next_commands(kind, options.operand, folder) << "\nWhile it is served: nbdinfo nbd://127.0.0.1/disk\n";
  return exit_ok;
}

}  // namespace ashlar::host
