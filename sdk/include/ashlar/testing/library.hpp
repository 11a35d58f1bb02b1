// Library: a module loaded from its shared object, for tests that want the file rather than the source.
#pragma once
#include <ashlar/abi.h>
#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace ashlar::testing {

// Unloads when it goes out of scope: outlives all that came from the module.
class Library {
 public:
  // Throws std::runtime_error: cannot be loaded, no entry, another ABI.
  explicit Library(const std::string& file) : handle_(::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(::dlerror());
    try {
      entry_ = reinterpret_cast<ashlar_entry_fn>(::dlsym(handle_, ASHLAR_ENTRY_SYMBOL));
      if (entry_ == nullptr) throw std::runtime_error(file + ": exports no " ASHLAR_ENTRY_SYMBOL);
      module_ = entry_(ASHLAR_ABI_MAJOR);
      if (module_ == nullptr)
        throw std::runtime_error(file + ": was not built for ABI " + std::to_string(ASHLAR_ABI_MAJOR));
    } catch (...) {
      ::dlclose(handle_);
      throw;
    }
  }
  ~Library() { ::dlclose(handle_); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  const ashlar_module& module() const { return *module_; }
  ashlar_entry_fn entry() const { return entry_; }

 private:
  void* handle_;
  ashlar_entry_fn entry_ = nullptr;
  const ashlar_module* module_ = nullptr;
};

}  // namespace ashlar::testing
