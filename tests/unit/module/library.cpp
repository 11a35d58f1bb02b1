#include "module/library.hpp"

#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

const std::filesystem::path modules = TEST_MODULES;

// Why `file` is refused, without its path, which every refusal starts with.
std::string refusal(const std::filesystem::path& file) {
  try {
    Library::load(file);
    return "accepted";
  } catch (const ModuleError& e) {
    const std::string what = e.what();
    REQUIRE(what.rfind(file.string() + ": ", 0) == 0);
    return what.substr(file.string().size() + 2);
  }
}

}  // namespace

TEST_CASE("a module is loaded and tells what it is") {
  const auto library = Library::load(modules / "brick.so");
  CHECK(library->kind() == ModuleKind::plugin);
  CHECK(library->path() == modules / "brick.so");
  CHECK_FALSE(library->serial());
  CHECK(library->module().name == std::string("brick"));
  CHECK(library->module().n_params == 2);
  CHECK(Library::load(modules / "mortar.so")->kind() == ModuleKind::filter);
  CHECK(name(ModuleKind::plugin) == std::string("plugin"));
  CHECK(name(ModuleKind::filter) == std::string("filter"));
}

TEST_CASE("a module of another ABI is refused with both numbers") {
  CHECK(refusal(modules / "later-minor.so") == "needs ABI 1.7; this ashlar has 1.0: use a newer ashlar");
  const std::string major = "is built for ABI major 9; this ashlar has 1.0: build the module against its SDK";
  CHECK(refusal(modules / "later-major.so") == major);
  CHECK(refusal(modules / "stubborn.so") == major);
  CHECK(refusal(modules / "mute.so") ==
        "is built for an ABI of another major; this ashlar has 1.0: build the module against its SDK");
}

TEST_CASE("a broken table is refused") {
  CHECK(refusal(modules / "nameless.so") == "is a broken module: it has no name");
}

TEST_CASE("a module whose file has another name is refused") {
  const TempFolder folder;
  std::filesystem::copy_file(modules / "brick.so", folder.path() / "stone.so");
  CHECK(refusal(folder.path() / "stone.so") ==
        "is a broken module: it calls itself \"brick\", but its file \"stone.so\"");
}

TEST_CASE("a shared object without the entry is refused") {
  CHECK(refusal(modules / "entryless.so") == "is no ashlar module: it does not export ashlar_entry");
}

TEST_CASE("a shared object that lacks a symbol is refused at once, not when it calls it") {
  const std::string why = refusal(modules / "undefined.so");
  CHECK_THAT(why, StartsWith("cannot be loaded: "));
  CHECK_THAT(why, ContainsSubstring("a_function_that_nobody_has"));
}

TEST_CASE("what is no shared object at all is refused") {
  const TempFolder folder;
  CHECK(refusal(folder.write("a.so", "hello")) == "is no ELF file, so not a module");
  CHECK(refusal(folder.path()) == "is a folder, not a module");
  CHECK(refusal(folder.path() / "b.so") == "No such file or directory");
  std::string header(64, '\0');
  header.replace(0, 6,
                 "\x7f"
                 "ELF\x02\x01");
  CHECK_THAT(refusal(folder.write("c.so", header)), StartsWith("cannot be loaded: "));
}

TEST_CASE("an extension is asked for only where the module's table has the member") {
  struct Table : Library {
    explicit Table(const ashlar_module& module) : Library(&module, "/table.so") {}
  };
  static constexpr int ability = 7;
  ashlar_module module{};
  module.struct_size = sizeof module;
  module.extension = [](const char* id) noexcept -> const void* {
    return std::string_view(id) == "known/1" ? &ability : nullptr;
  };
  CHECK(Table(module).extension("known/1") == &ability);
  CHECK(Table(module).extension("other/1") == nullptr);
  module.struct_size = offsetof(ashlar_module, extension);  // built before the member was there
  CHECK(Table(module).extension("known/1") == nullptr);
  module.struct_size = sizeof module;
  module.extension = nullptr;
  CHECK(Table(module).extension("known/1") == nullptr);
}
