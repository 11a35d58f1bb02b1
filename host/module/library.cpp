// The only includer of Boost.DLL.
#include "module/library.hpp"

#include <dlfcn.h>
#include <sys/stat.h>

#include <ashlar/rules/extension.hpp>
#include <boost/dll/shared_library.hpp>

#include "module/elf.hpp"
#include "module/table.hpp"
#include "module/version.hpp"

namespace ashlar::host {
namespace {

using Entry = const ashlar_module*(std::uint32_t);

constexpr std::uint32_t highest_major_asked = 64;

[[noreturn]] void refuse(const std::filesystem::path& file, const std::string& why) {
  throw ModuleError(file.string() + ": " + why);
}

// The dynamic linker's text, which often starts with the path that the message has already.
std::string linker_error(const std::filesystem::path& file) {
  const char* text = ::dlerror();
  std::string why = text != nullptr ? text : "no reason given";
  if (const std::string prefix = file.string() + ": "; why.starts_with(prefix)) why.erase(0, prefix.size());
  return why;
}

// The dynamic linker takes a file for the one that it has loaded by the same path, even if another has taken that one's
// place. So the other is named by a path that leads to it in steps which tell its inode: nowhere, "/" for a 0 and "/."
// for a 1.
std::filesystem::path name_for_linker(const std::filesystem::path& file) {
  struct stat facts {};
  void* const known = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (known == nullptr || ::dlclose(known) != 0 || ::stat(file.c_str(), &facts) != 0) return file;
  std::string path = file.parent_path().string();
  for (ino_t rest = facts.st_ino; rest != 0; rest >>= 1) path += (rest & 1) != 0 ? "/." : "/";
  return path + "/" + file.filename().string();
}

boost::dll::shared_library open_library(const std::filesystem::path& file) {
  if (const std::string fault = fault_in_elf(file); !fault.empty()) refuse(file, fault);
  boost::dll::fs::error_code error;
  boost::dll::shared_library library;
  library.load(name_for_linker(file).native(), error,
               boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  if (error) refuse(file, "cannot be loaded: " + linker_error(file));
  return library;
}

// Another major's table, to name it in the refusal; the module has refused ours.
const ashlar_module* other_major(Entry& entry) {
  for (std::uint32_t major = 0; major <= highest_major_asked; ++major)
    if (const ashlar_module* module = entry(major); module != nullptr && module->abi_major != ASHLAR_ABI_MAJOR)
      return module;
  return nullptr;
}

const ashlar_module* accepted_table(const std::filesystem::path& file, Entry& entry) {
  const ashlar_module* module = entry(ASHLAR_ABI_MAJOR);
  if (module == nullptr) refuse(file, refuse_version({}, other_major(entry)));
  if (const std::string why = refuse_version({}, module); !why.empty()) refuse(file, why);
  if (const std::string fault = fault_in_table(*module, file.stem().string()); !fault.empty())
    refuse(file, "is a broken module: " + fault);
  return module;
}

class LoadedLibrary final : public Library {
 public:
  LoadedLibrary(const ashlar_module* module, std::filesystem::path path, boost::dll::shared_library library)
      : Library(module, std::move(path)), library_(std::move(library)) {}

 private:
  boost::dll::shared_library library_;
};

}  // namespace

const char* name(ModuleKind kind) { return kind == ModuleKind::plugin ? "plugin" : "filter"; }

ModuleKind Library::kind() const { return module_->kind == ASHLAR_PLUGIN ? ModuleKind::plugin : ModuleKind::filter; }

const void* Library::extension(const char* id) const { return rules::extension_of(*module_, id); }

std::shared_ptr<const Library> Library::load(const std::filesystem::path& file) {
  const auto path = std::filesystem::absolute(file);
  boost::dll::shared_library library = open_library(path);
  if (!library.has(ASHLAR_ENTRY_SYMBOL)) refuse(path, "is no ashlar module: it does not export " ASHLAR_ENTRY_SYMBOL);
  const ashlar_module* module = accepted_table(path, library.get<Entry>(ASHLAR_ENTRY_SYMBOL));
  return std::make_shared<const LoadedLibrary>(module, path, std::move(library));
}

}  // namespace ashlar::host
