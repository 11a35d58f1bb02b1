// Library: one loaded shared object and its module table. Keep the shared_ptr as long as anything of the module is in
// use.
#pragma once
#include <ashlar/abi.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace ashlar::host {

enum class ModuleKind { plugin, filter };
const char* name(ModuleKind kind);

// A shared object that cannot be used as a module; the text says why, with the path.
class ModuleError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Library {
 public:
  // Loads `file` and negotiates versions; throws ModuleError.
  static std::shared_ptr<const Library> load(const std::filesystem::path& file);
  virtual ~Library() = default;

  const ashlar_module& module() const { return *module_; }
  const std::filesystem::path& path() const { return path_; }
  ModuleKind kind() const;
  // An optional ability of the module, or nullptr. [any thread]
  const void* extension(const char* id) const;
  bool serial() const { return module_->threads != ASHLAR_PARALLEL; }

 protected:
  Library(const ashlar_module* module, std::filesystem::path path) : module_(module), path_(std::move(path)) {}

 private:
  const ashlar_module* module_;
  std::filesystem::path path_;
};

}  // namespace ashlar::host
