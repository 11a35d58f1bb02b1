// Registry: finds modules by the name a user types. Loads each file once.
#pragma once
#include <map>
#include <mutex>
#include <vector>

#include "module/library.hpp"

namespace ashlar::host {

class Registry {
 public:
  // `folders`: searched in order for KINDs/NAME.so, then NAME.so. The built-in folder (see builtin_module_folder) comes last.
  explicit Registry(std::vector<std::filesystem::path> folders);

  // The module `name`, or, when it has a '/', the file of that path. Throws ModuleError that says where was looked and, if a
  // name is near, which was meant. [any thread]
  std::shared_ptr<const Library> find(ModuleKind kind, const std::string& name);

  struct Found {
    ModuleKind kind;
    std::string name;
    std::filesystem::path path;
    std::shared_ptr<const Library> library;  // null: cannot be loaded
    std::string error;                       // why
  };
  // All modules in the folders, sorted by kind and name; one that a folder before it hides is left out.
  std::vector<Found> list();

 private:
  std::vector<std::filesystem::path> folders_;
  std::mutex mutex_;
  std::map<std::filesystem::path, std::shared_ptr<const Library>> loaded_;
};

// <folder of the program>/../lib/ashlar
std::filesystem::path builtin_module_folder();

}  // namespace ashlar::host
