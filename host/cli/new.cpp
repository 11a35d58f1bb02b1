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

void check_name(const CommandOptions& options) {
  if (is_module_name(options.operand)) return;
  const std::string meant = as_module_name(options.operand);
  throw UsageError("new: " + in_quotes(options.operand) +
                   " is no name for a module: it has letters a to z, digits and single hyphens between them, a letter "
                   "first, and is at most 64 long; write: ashlar new " +
                   options.kind + " " + (meant.empty() ? "NAME" : meant));
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
  std::filesystem::path folder = options.dir.empty() ? options.operand : options.dir;
  if (!folder.has_filename()) folder = folder.parent_path();  // it was written with a '/' at its end
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
