// What the '*' of a template may stand for, and which files are meant by it.
#include "chain/star.hpp"

#include <sys/stat.h>

#include <filesystem>

#include "chain/star_paths.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

namespace ashlar::host {
namespace {

namespace fs = std::filesystem;

constexpr ashlar_param row(std::uint32_t type, const char* name, std::uint32_t item = 0) {
  ashlar_param out{};
  out.struct_size = sizeof out;
  out.type = type;
  out.name = name;
  out.item = item;
  return out;
}

constexpr ashlar_param path = row(ASHLAR_PARAM_PATH, "path"), note = row(ASHLAR_PARAM_STRING, "note"),
                       key = row(ASHLAR_PARAM_SECRET, "key"),
                       parts = row(ASHLAR_PARAM_LIST, "parts", ASHLAR_PARAM_PATH);
constexpr const ashlar_param* rows[] = {&path, &note, &key, &parts};

ashlar_module module_of(std::uint32_t kind) {
  ashlar_module out{};
  out.kind = kind;
  out.n_params = 4;
  out.params = rows;
  return out;
}

LayerConfig layer(const std::string& of, TomlValue value) {
  LayerConfig out;
  out.parameters.push_back({of, {}, {{}, std::move(value)}});
  return out;
}

std::string text_of(const LayerConfig& layer) { return std::get<std::string>(layer.parameters[0].node.value); }

struct Folder : TempFolder {
  const ashlar_module plugin = module_of(ASHLAR_PLUGIN), filter = module_of(ASHLAR_FILTER);

  bool served(const std::string& star, const std::string& pattern = "images/*", bool follow_links = false) const {
    return is_there(layer("path", pattern), plugin, star, path(), follow_links);
  }
  bool used(const std::string& star) const {
    return is_there(layer("path", std::string("images/*")), filter, star, path(), false);
  }
};

}  // namespace

TEST_CASE("star: what it may stand for never leaves the folder") {
  for (const char* const good : {"a", "a.img", "ä", "a..b", "-", " ", "a\nb"}) CHECK(can_stand_for_star(good));
  for (const char* const bad : {"", ".", "..", ".hidden", "a/b", "/a", "a/", "*", "a*b", "\xff"})
    CHECK_FALSE(can_stand_for_star(bad));
  CHECK_FALSE(can_stand_for_star(std::string_view("a\0b", 3)));
  CHECK(can_stand_for_star(std::string(4096, 'a')));
  CHECK_FALSE(can_stand_for_star(std::string(4097, 'a')));
}

TEST_CASE("star: what stands for it in a name that fits") {
  CHECK(star_in("images/*", "images/a") == "a");
  CHECK(star_in("*", "a") == "a");
  CHECK(star_in("a-*-b", "a-x-b") == "x");
  for (const char* const other :
       {"images/", "images", "image/a", "images/a/b", "images/..", "images/.a", "images/*", ""})
    CHECK_FALSE(star_in("images/*", other));
  CHECK_FALSE(star_in("aa*aa", "aaa"));  // what is before it and behind it does not overlap
}

TEST_CASE("star: is put into each text but that of a secret") {
  const ashlar_module module = module_of(ASHLAR_PLUGIN);
  CHECK(text_of(with_star(layer("path", std::string("a/*/*.img")), module, "x")) == "a/x/x.img");
  CHECK(text_of(with_star(layer("note", std::string("*")), module, "x")) == "x");
  CHECK(text_of(with_star(layer("key", std::string("a*b")), module, "x")) == "a*b");
  const LayerConfig file = with_star(layer("key", TomlTable{{"file", {}, {{}, std::string("*.key")}}}), module, "x");
  CHECK(std::get<std::string>(std::get<TomlTable>(file.parameters[0].node.value)[0].node.value) == "x.key");
  const LayerConfig list = with_star(layer("parts", TomlArray{{{}, std::string("a/*")}}), module, "x");
  CHECK(std::get<std::string>(std::get<TomlArray>(list.parameters[0].node.value)[0].value) == "a/x");
}

TEST_CASE("star: has to stand in a text where a name would be put") {
  const ashlar_module module = module_of(ASHLAR_PLUGIN);
  CHECK(has_star(layer("path", std::string("*")), module));
  CHECK(has_star(layer("parts", TomlArray{{{}, std::string("a")}, {{}, std::string("*")}}), module));
  CHECK_FALSE(has_star(layer("path", std::string("a")), module));
  CHECK_FALSE(has_star(layer("key", std::string("*")), module));
}

TEST_CASE("star: files, devices and folders may be meant, and nothing else") {
  const Folder folder;
  folder.write("images/a", "");
  fs::create_directory(folder.path() / "images/folder");
  REQUIRE(::mkfifo((folder.path() / "images/pipe").c_str(), 0600) == 0);
  CHECK(folder.served("a"));
  CHECK(folder.served("folder"));
  CHECK_FALSE(folder.served("pipe"));
  CHECK_FALSE(folder.served("b"));
  CHECK_FALSE(folder.served(std::string(300, 'a')));  // longer than a file system takes
  CHECK_FALSE(is_there(layer("parts", TomlArray{{{}, std::string("images/a")}, {{}, std::string("images/*")}}),
                       folder.plugin, "b", folder.path(), false));
  CHECK(is_there(layer("note", std::string("*")), folder.plugin, "b", folder.path(), false));
}

TEST_CASE("star: a link out of the folder is followed only where it is said") {
  const Folder folder;
  folder.write("outside", "");
  folder.write("images/a", "");
  fs::create_symlink("a", folder.path() / "images/within");
  fs::create_symlink("../outside", folder.path() / "images/out");
  fs::create_symlink("out", folder.path() / "images/twice");
  fs::create_symlink("loop", folder.path() / "images/loop");
  fs::create_symlink("nowhere", folder.path() / "images/dangling");
  CHECK(folder.served("within"));
  for (const char* const out : {"out", "twice", "loop", "dangling"}) {
    CHECK_FALSE(folder.served(out));
    CHECK_FALSE(folder.used(out));
  }
  CHECK(folder.served("out", "images/*", true));
  CHECK_FALSE(folder.served("dangling", "images/*", true));
}

TEST_CASE("star: the folder itself may be a link, and a part of the path that is named by the star may not") {
  const Folder folder;
  folder.write("images/a/disk", "");
  folder.write("elsewhere/disk", "");
  fs::create_symlink("images", folder.path() / "link");
  fs::create_symlink("../elsewhere", folder.path() / "images/out");
  CHECK(folder.served("a", "link/*/disk"));
  CHECK_FALSE(folder.served("out", "link/*/disk"));
  CHECK(folder.served("out", "link/*/disk", true));
}

TEST_CASE("star: a filter may make its file") {
  const Folder folder;
  folder.write("images/a", "");
  CHECK(folder.used("a"));
  CHECK(folder.used("b"));
}

}  // namespace ashlar::host
