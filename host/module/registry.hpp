// Registry: finds modules by the name a user types. Loads each file once, and a file that has been replaced anew.
#pragma once
#include <sys/types.h>

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "module/library.hpp"

namespace ashlar::host {

// There is no module of that name; the text says where was looked and, if a name is near, which was meant.
class ModuleNotFound : public ModuleError {
 public:
  using ModuleError::ModuleError;
};

class Registry {
 public:
  // `folders`: searched in order for KINDs/NAME.so, then NAME.so. The built-in folder (see builtin_module_folder) comes
  // last.
  explicit Registry(std::vector<std::filesystem::path> folders);
  virtual ~Registry() = default;

  // The module `name`, or, when it has a '/', the file of that path. Throws ModuleNotFound, or ModuleError when the
  // first file of that name cannot be used. [any thread]
  virtual std::shared_ptr<const Library> find(ModuleKind kind, const std::string& name);

  // The modules `name` of either kind, at least one; otherwise as find().
  std::vector<std::shared_ptr<const Library>> find_any(const std::string& name);

  struct Found {
    ModuleKind kind;
    std::string name;
    std::filesystem::path path;
    std::shared_ptr<const Library> library;  // null: cannot be loaded
    std::string error;                       // why
  };
  // All modules in the folders, sorted by kind and name; one that a folder before it hides is left out.
  std::vector<Found> list();

  // Where it searches, in that order.
  const std::vector<std::filesystem::path>& folders() const { return folders_; }

  // Keeps no module loaded any longer: who has a library last unloads it. [any thread]
  void let_go();

 private:
  // Null: there is no such file. Throws ModuleError.
  std::shared_ptr<const Library> search(ModuleKind kind, const std::string& name);
  std::shared_ptr<const Library> load_file(const std::filesystem::path& file);
  std::shared_ptr<const Library> load_file(ModuleKind kind, const std::filesystem::path& file);
  // Names of files that may be modules, sorted; no kind: of all folders.
  std::vector<std::string> file_names(std::optional<ModuleKind> kind) const;
  [[noreturn]] void not_found(const std::string& kind, const std::string& name, const std::string& hint) const;
  Found try_file(ModuleKind kind, const std::filesystem::path& file);

  // A file that is loaded keeps its device and inode, also when another has taken its place.
  struct Loaded {
    std::shared_ptr<const Library> library;
    dev_t device = 0;
    ino_t inode = 0;
  };

  const std::vector<std::filesystem::path> folders_;
  std::mutex mutex_;
  std::map<std::filesystem::path, Loaded> loaded_;
};

// <folder of the program>/../lib/ashlar; when that cannot be found out, where the build was told to install the
// modules.
std::filesystem::path builtin_module_folder();

}  // namespace ashlar::host
