#include "module/registry.hpp"

#include <thread>

#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

const std::filesystem::path built_modules = TEST_MODULES;

// Folders as a user has them: first/ with folders by kind, second/ flat.
struct Folders : TempFolder {
  Folders() {
    put("brick.so", "first/plugins");
    put("mortar.so", "first/filters");
    put("brick.so", "second");
    put("mortar.so", "second");
  }
  void put(const std::string& module, const std::string& folder) const {
    std::filesystem::create_directories(path() / folder);
    std::filesystem::copy_file(built_modules / module, path() / folder / module);
  }
  Registry registry() const { return Registry({path() / "first", path() / "second"}); }
};

std::string refusal(Registry&& registry, ModuleKind kind, const std::string& name) {
  try {
    registry.find(kind, name);
    return "accepted";
  } catch (const ModuleError& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("modules are found by kind and name, the first folder first") {
  const Folders folders;
  Registry registry({folders.path() / "first", folders.path() / "second"});
  CHECK(registry.find(ModuleKind::plugin, "brick")->path() == folders.path() / "first/plugins/brick.so");
  CHECK(registry.find(ModuleKind::filter, "mortar")->path() == folders.path() / "first/filters/mortar.so");
  Registry flat({folders.path() / "second"});
  CHECK(flat.find(ModuleKind::plugin, "brick")->path() == folders.path() / "second/brick.so");
  CHECK(flat.find(ModuleKind::filter, "mortar")->path() == folders.path() / "second/mortar.so");
}

TEST_CASE("a module is found by its path") {
  const Folders folders;
  Registry registry({});
  const auto file = (folders.path() / "second/brick.so").string();
  CHECK(registry.find(ModuleKind::plugin, file)->path() == file);
  CHECK_THROWS_WITH(registry.find(ModuleKind::filter, file),
                    file + ": is a plugin, not a filter; use it in [export.plugin]");
  CHECK_THROWS_WITH(registry.find(ModuleKind::plugin, "/nowhere/a.so"), "/nowhere/a.so: No such file or directory");
}

TEST_CASE("each file is loaded once, by several threads too") {
  const Folders folders;
  Registry registry({folders.path() / "first"});
  std::vector<std::shared_ptr<const Library>> found(8);
  std::vector<std::thread> threads;
  for (auto& one : found) threads.emplace_back([&] { one = registry.find(ModuleKind::plugin, "brick"); });
  for (auto& thread : threads) thread.join();
  for (const auto& one : found) CHECK(one == found[0]);
  CHECK(registry.find(ModuleKind::plugin, (folders.path() / "first/plugins/../plugins/brick.so").string()) == found[0]);
}

TEST_CASE("a library outlives its registry as long as it is in use") {
  const Folders folders;
  std::shared_ptr<const Library> library;
  {
    Registry registry({folders.path() / "first"});
    library = registry.find(ModuleKind::plugin, "brick");
  }
  CHECK(library->module().summary == std::string("does nothing"));
}

TEST_CASE("module not found: where was looked and which was meant") {
  const Folders folders;
  const std::string looked = (folders.path() / "first").string() + ", " + (folders.path() / "second").string() + ", " +
                             builtin_module_folder().string();
  CHECK(refusal(folders.registry(), ModuleKind::plugin, "brikc") ==
        "no plugin \"brikc\" in " + looked + "; did you mean \"brick\"?");
  const std::string unknown = refusal(folders.registry(), ModuleKind::plugin, "steel");
  CHECK_THAT(unknown, StartsWith("no plugin \"steel\" in " + looked + "; known: "));
  CHECK_THAT(refusal(folders.registry(), ModuleKind::filter, "limit"),
             EndsWith("; did you mean max_connections = 1, a key of [[export]]?"));
  CHECK_THAT(unknown, ContainsSubstring("brick"));  // beside those of the built-in folder, if it has been filled
  Registry registry({folders.path() / "first"});
  CHECK_THROWS_AS(registry.find(ModuleKind::plugin, "brikc"), ModuleNotFound);
}

TEST_CASE("of a file without its folder it is told how to name one") {
  const Folders folders;
  CHECK_THAT(refusal(folders.registry(), ModuleKind::plugin, "full.so"),
             EndsWith("; to name a file, write \"./full.so\""));
  CHECK_THAT(refusal(folders.registry(), ModuleKind::plugin, "brick.so"), EndsWith("; did you mean \"brick\"?"));
}

TEST_CASE("a module of the other kind is named as such") {
  const Folders folders;
  CHECK_THAT(refusal(folders.registry(), ModuleKind::plugin, "mortar"),
             EndsWith("; it is a filter: use it in [[export.filter]]"));
  CHECK_THAT(refusal(folders.registry(), ModuleKind::filter, "brick"),
             EndsWith("; it is a plugin: use it in [export.plugin]"));
}

TEST_CASE("a module in the folder of the other kind is refused") {
  const Folders folders;
  folders.put("mortar.so", "third/plugins");
  Registry registry({folders.path() / "third"});
  CHECK_THROWS_WITH(registry.find(ModuleKind::plugin, "mortar"),
                    (folders.path() / "third/plugins/mortar.so").string() +
                        ": is a filter, not a plugin; use it in [[export.filter]]");
}

TEST_CASE("a broken file is not passed over for a later one of the same name") {
  const Folders folders;
  folders.write("broken/plugins/brick.so", "no library");
  Registry registry({folders.path() / "broken", folders.path() / "first"});
  CHECK_THROWS_WITH(registry.find(ModuleKind::plugin, "brick"),
                    (folders.path() / "broken/plugins/brick.so").string() + ": is no ELF file, so not a module");
}

TEST_CASE("a dangling link is said to be one rather than not found") {
  const Folders folders;
  std::filesystem::create_symlink("/nowhere", folders.path() / "first/plugins/stone.so");
  CHECK_THAT(refusal(folders.registry(), ModuleKind::plugin, "stone"), EndsWith("stone.so: No such file or directory"));
}

TEST_CASE("the list is sorted, hides what is hidden and says what is broken") {
  const Folders folders;
  folders.write("first/plugins/aaa.so", "no library");
  folders.write("first/plugins/readme.txt", "no module");
  folders.put("mortar.so", "first/plugins");
  std::vector<std::string> lines;
  for (const auto& found : folders.registry().list()) {
    if (found.path.string().rfind(folders.path().string(), 0) != 0) continue;  // the built-in ones
    CHECK((found.library == nullptr) == !found.error.empty());
    lines.push_back(std::string(name(found.kind)) + " " + found.name + " " +
                    found.path.parent_path().parent_path().filename().string() + (found.library ? "" : " broken"));
  }
  CHECK(lines == std::vector<std::string>{"plugin aaa first broken", "plugin brick first", "plugin mortar first broken",
                                          "filter mortar first"});
}

TEST_CASE("find_any finds either kind, or both") {
  const Folders folders;
  Registry registry({folders.path() / "first"});
  REQUIRE(registry.find_any("mortar").size() == 1);
  CHECK(registry.find_any("mortar")[0]->kind() == ModuleKind::filter);
  CHECK(registry.find_any((folders.path() / "second/brick.so").string())[0]->kind() == ModuleKind::plugin);
  CHECK_THROWS_WITH(registry.find_any("motar"),
                    StartsWith("no plugin or filter \"motar\" in ") && EndsWith("; did you mean \"mortar\"?"));
}
