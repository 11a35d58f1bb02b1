#include "trace/replay/libnbd.hpp"

#include <dlfcn.h>

#include <stdexcept>
#include <string>

namespace ashlar::host::traces {
namespace {

constexpr const char* needs = "a replay needs libnbd (Debian's package libnbd0): ";

void* open_library() {
  void* const library = ::dlopen("libnbd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(std::string(needs) + ::dlerror());
  return library;
}

}  // namespace

Libnbd::Libnbd() : library_(open_library()) {}

Libnbd::Found Libnbd::find(const char* name) const {
  void* const at = ::dlsym(library_, name);
  if (at == nullptr) throw std::runtime_error(std::string(needs) + ::dlerror());
  return {at};
}

}  // namespace ashlar::host::traces
