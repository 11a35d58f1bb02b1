#include "module/registry.hpp"

#include <sys/auxv.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "config/did_you_mean.hpp"
#include "config/other_names.hpp"
#include "config/text.hpp"

namespace ashlar::host {
namespace {

constexpr ModuleKind both_kinds[] = {ModuleKind::plugin, ModuleKind::filter};

ModuleKind other(ModuleKind kind) { return kind == ModuleKind::plugin ? ModuleKind::filter : ModuleKind::plugin; }

std::filesystem::path folder_of(const std::filesystem::path& folder, ModuleKind kind) {
  return folder / (std::string(name(kind)) + "s");
}

// What the config calls a layer of this kind.
std::string section(ModuleKind kind) { return kind == ModuleKind::plugin ? "[export.plugin]" : "[[export.filter]]"; }

bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(file, error));
}

// The .so files in `folder`, sorted; none when it cannot be read.
std::vector<std::filesystem::path> module_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::directory_iterator it(folder, error);
  for (; !error && it != std::filesystem::directory_iterator{}; it.increment(error))
    if (it->path().extension() == ".so") files.push_back(it->path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::filesystem::path> with_builtin(std::vector<std::filesystem::path> folders) {
  folders.push_back(builtin_module_folder());
  return folders;
}

}  // namespace

Registry::Registry(std::vector<std::filesystem::path> folders) : folders_(with_builtin(std::move(folders))) {}

std::shared_ptr<const Library> Registry::load_file(const std::filesystem::path& file) {
  std::error_code error;
  const auto real = std::filesystem::canonical(file, error);
  if (error) throw ModuleError(file.string() + ": " + error.message());
  struct stat facts {};
  if (::stat(real.c_str(), &facts) != 0) throw ModuleError(file.string() + ": " + std::strerror(errno));
  std::shared_ptr<const Library> replaced;  // let go of when the lock is given back: to unload may take long
  const std::lock_guard lock(mutex_);
  Loaded& known = loaded_[real];
  const bool is_same = known.library != nullptr && known.device == facts.st_dev && known.inode == facts.st_ino;
  // A link may give a file a second name, which its module then does not have: load() checks the name that was asked
  // for.
  if (is_same && file.stem() == known.library->path().stem()) return known.library;
  auto library = Library::load(file);
  if (is_same) return library;
  replaced = std::exchange(known.library, library);
  known.device = facts.st_dev;
  known.inode = facts.st_ino;
  return library;
}

std::shared_ptr<const Library> Registry::load_file(ModuleKind kind, const std::filesystem::path& file) {
  auto library = load_file(file);
  if (library->kind() == kind) return library;
  throw ModuleError(file.string() + ": is a " + name(library->kind()) + ", not a " + name(kind) + "; use it in " +
                    section(library->kind()));
}

std::shared_ptr<const Library> Registry::search(ModuleKind kind, const std::string& name) {
  for (const auto& folder : folders_) {
    const std::string file = name + ".so";
    if (const auto path = folder_of(folder, kind) / file; is_there(path)) return load_file(kind, path);
    if (const auto path = folder / file; is_there(path)) {
      // Folders without KINDs hold both kinds; the other one may not hide what is looked for.
      if (auto library = load_file(path); library->kind() == kind) return library;
    }
  }
  return nullptr;
}

namespace {

// The modules that have Debian packages of their own, in this build.
std::vector<std::string> modules_with_packages() {
  std::istringstream names(ASHLAR_OWN_PACKAGES);
  return {std::istream_iterator<std::string>(names), {}};
}

// What to write instead of the name of a module that is not there. A file is one only with a '/'.
std::string remedy(const std::string& module, const std::vector<std::string>& names,
                   std::vector<std::string> of_both_kinds) {
  const std::vector<std::string> packed = modules_with_packages();
  if (std::ranges::find(packed, module) != packed.end()) return "it is in the package ashlar-modules-" + module;
  of_both_kinds.insert(of_both_kinds.end(), packed.begin(), packed.end());
  if (std::string other = other_name(module, of_both_kinds); !other.empty()) return other;
  if (!module.ends_with(".so")) return did_you_mean(module, names);
  const std::string stem = module.substr(0, module.size() - 3);
  if (std::ranges::find(names, stem) != names.end()) return did_you_mean(stem, names);
  return "to name a file, write " + in_quotes("./" + module);
}

}  // namespace

std::shared_ptr<const Library> Registry::find(ModuleKind kind, const std::string& module) {
  if (module.find('/') != std::string::npos) return load_file(kind, module);
  if (auto library = search(kind, module)) return library;
  std::shared_ptr<const Library> namesake;
  try {
    namesake = search(other(kind), module);
  } catch (const ModuleError&) {
    // It was not asked for, so why it is broken would only confuse.
  }
  if (namesake != nullptr)
    not_found(name(kind), module, "it is a " + std::string(name(other(kind))) + ": use it in " + section(other(kind)));
  not_found(name(kind), module, remedy(module, file_names(kind), file_names(std::nullopt)));
}

std::vector<std::shared_ptr<const Library>> Registry::find_any(const std::string& module) {
  if (module.find('/') != std::string::npos) return {load_file(module)};
  std::vector<std::shared_ptr<const Library>> found;
  for (const ModuleKind kind : both_kinds)
    if (auto library = search(kind, module)) found.push_back(std::move(library));
  if (!found.empty()) return found;
  const std::vector<std::string> names = file_names(std::nullopt);
  not_found("plugin or filter", module, remedy(module, names, names));
}

std::vector<std::string> Registry::file_names(std::optional<ModuleKind> kind) const {
  std::set<std::string> names;
  for (const auto& folder : folders_) {
    for (const auto& file : module_files(folder)) names.insert(file.stem().string());
    for (const ModuleKind k : both_kinds)
      if (!kind || *kind == k)
        for (const auto& file : module_files(folder_of(folder, k))) names.insert(file.stem().string());
  }
  return {names.begin(), names.end()};
}

void Registry::not_found(const std::string& kind, const std::string& module, const std::string& hint) const {
  std::string text = "no " + kind + " " + in_quotes(module) + " in ";
  for (const auto& folder : folders_) text += (&folder == &folders_.front() ? "" : ", ") + folder.string();
  throw ModuleNotFound(text + (hint.empty() ? "" : "; " + hint));
}

Registry::Found Registry::try_file(ModuleKind kind, const std::filesystem::path& file) {
  Found found{kind, file.stem().string(), file, nullptr, {}};
  try {
    found.library = load_file(file);
    found.kind = found.library->kind();
  } catch (const ModuleError& e) {
    found.error = e.what();
  }
  return found;
}

std::vector<Registry::Found> Registry::list() {
  std::map<std::pair<ModuleKind, std::string>, Found> all;
  const auto add = [&](Found found) { all.emplace(std::pair(found.kind, found.name), std::move(found)); };
  for (const auto& folder : folders_) {
    for (const ModuleKind kind : both_kinds)
      for (const auto& file : module_files(folder_of(folder, kind))) {
        Found found = try_file(kind, file);
        if (found.library != nullptr && found.kind != kind) {
          found.error =
              file.string() + ": is a " + name(found.kind) + ", but lies in the folder of " + name(kind) + "s";
          found.library = nullptr;
          found.kind = kind;
        }
        add(std::move(found));
      }
    for (const auto& file : module_files(folder)) add(try_file(ModuleKind::plugin, file));
  }
  std::vector<Found> sorted;
  for (auto& [key, found] : all) sorted.push_back(std::move(found));
  return sorted;
}

void Registry::let_go() {
  decltype(loaded_) loaded;  // unloaded when the lock is given back: that may take long
  const std::lock_guard lock(mutex_);
  loaded.swap(loaded_);
}

std::filesystem::path builtin_module_folder() {
  const auto beside = [](const std::filesystem::path& program) {
    return (program.parent_path() / ".." / "lib" / "ashlar").lexically_normal();
  };
  std::error_code error;
  if (const auto program = std::filesystem::read_symlink("/proc/self/exe", error); !error) return beside(program);
  // Without /proc the kernel has still told by which path it started the program (getauxval(3)).
  const auto* const started = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  if (started != nullptr)
    if (const auto program = std::filesystem::canonical(started, error); !error)
      if (const auto folder = beside(program); std::filesystem::is_directory(folder, error)) return folder;
  return ASHLAR_INSTALLED_MODULES;
}

}  // namespace ashlar::host
