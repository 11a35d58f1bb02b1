// The exports of files that a config includes.
#include "config/config.hpp"

#include <sys/stat.h>

#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

std::string disk_export(const std::string& name, const std::string& rest = "") {
  return "[[export]]\nname = \"" + name + "\"\n" + rest + "[export.plugin]\ntype = \"file\"\n";
}

struct Folder : TempFolder {
  // The config with `head` above its one export, and the names of all exports, a blank between; or the mistakes.
  std::string read(const std::string& head, const std::string& own = disk_export("main")) const {
    try {
      std::string names;
      for (const ExportConfig& each : read_config(write("main.toml", head + own)).exports)
        names += (names.empty() ? "" : " ") + each.name;
      return names;
    } catch (const ConfigError& e) {
      return e.what();
    }
  }
  std::string in(const std::string& name) const { return (path() / name).string(); }
};

constexpr const char* all = "include = [\"conf.d/*.toml\"]\n";

}  // namespace

TEST_CASE("included exports follow the config's own, file by file in the order of names") {
  const Folder folder;
  folder.write("conf.d/b.toml", disk_export("b"));
  folder.write("conf.d/10.toml", disk_export("ten") + disk_export("eleven"));
  folder.write("conf.d/a.toml", disk_export("a"));
  folder.write("conf.d/.hidden.toml", disk_export("hidden"));
  folder.write("conf.d/other.conf", disk_export("other"));
  CHECK(folder.read(all) == "main ten eleven a b");
}

TEST_CASE("patterns are read one by one, and a file once") {
  const Folder folder;
  folder.write("z/one.toml", disk_export("one"));
  folder.write("a/two.toml", disk_export("two"));
  CHECK(folder.read("include = [\"z/*.toml\", \"" + folder.in("a/t?o.toml") + "\", \"*/*.toml\"]\n") == "main one two");
}

TEST_CASE("a pattern that fits no file is no mistake, even when nothing else is served") {
  const Folder folder;
  CHECK(folder.read(all) == "main");
  CHECK(folder.read(all, "") == "");
  CHECK(folder.read("include = []\n") == "main");
}

TEST_CASE("an included export knows its file, and its folder, from which its paths count") {
  const Folder folder;
  folder.write("conf.d/a.toml", "[[export]]\nname = \"a\"\nplugin = { type = \"./own.so\" }\n");
  const Config config = read_config(folder.write("main.toml", all + disk_export("main")));
  REQUIRE(config.exports.size() == 2);
  CHECK(config.exports[0].file == folder.in("main.toml"));
  CHECK(config.exports[0].folder == folder.path());
  const ExportConfig& a = config.exports[1];
  CHECK(a.file == folder.in("conf.d/a.toml"));
  CHECK(a.folder == folder.in("conf.d"));
  CHECK(a.plugin.type == folder.in("conf.d/own.so"));
  const Config alone = config_of(config, a);
  CHECK(alone.file == a.file);
  CHECK(alone.folder == a.folder);
}

TEST_CASE("rules of who may open an included export know their file") {
  const Folder folder;
  folder.write("conf.d/a.toml", disk_export("a", "allow = []\n") + disk_export("b"));
  const Config config = read_config(folder.write("main.toml", all + disk_export("main", "allow = []\n")));
  REQUIRE(config.exports.size() == 3);
  CHECK(config.exports[0].allow->file.empty());
  CHECK(config.exports[1].allow->file == folder.in("conf.d/a.toml"));
  CHECK_FALSE(config.exports[2].allow);
}

TEST_CASE("what only the config may hold is refused in an included file, with its place there") {
  const Folder folder;
  const auto file =
      folder.write("conf.d/a.toml", "include = [\"x\"]\n[server]\nworkers = 3\n" + disk_export("a")).string();
  CHECK(folder.read(all) ==
        file + ":1:1: key \"include\": stands only in the config that includes this file; move it there\n" + file +
            ":2:2: key \"server\": stands only in the config that includes this file; move it there");
}

TEST_CASE("mistakes of all files are told, those of the config first") {
  const Folder folder;
  const auto a = folder.write("conf.d/a.toml", "[[export]]\nname = 3\nplugin = { type = \"file\" }\n").string();
  const auto b = folder.write("conf.d/b.toml", "no toml").string();
  const auto c = folder.write("conf.d/c.toml", "color = 1\n").string();
  const std::string told = folder.read(std::string(all), "[server]\nworkers = 0\n" + disk_export("main"));
  CHECK(told.find(folder.in("main.toml") + ":3:11: key \"workers\"") == 0);
  const auto at_a = told.find("\n" + a + ":2:8: key \"name\""), at_b = told.find("\n" + b + ":1:"),
             at_c = told.find("\n" + c + ":1:1: key \"color\": unknown in an included file; ");
  CHECK(at_a != std::string::npos);
  CHECK((at_a < at_b && at_b < at_c && at_c != std::string::npos));
}

TEST_CASE("a name that two files give is refused with both places") {
  const Folder folder;
  const auto a = folder.write("conf.d/a.toml", disk_export("main")).string();
  const auto b = folder.write("conf.d/b.toml", disk_export("b") + disk_export("b")).string();
  CHECK(folder.read(all) == a + ":2:8: key \"name\": \"main\" is the name of the export in line 2 of " +
                                folder.in("main.toml") + " too; name one of them differently\n" + b +
                                ":6:8: key \"name\": \"b\" is the name of the export in line 1 too; name one of them "
                                "differently");
}

TEST_CASE("a file that layers of two files write to is refused, and not one of the same name in another folder") {
  for (const auto& [type, what] : {std::pair{"trace", "trace"}, std::pair{"cow", "overlay"}}) {
    const Folder folder;
    const std::string layer = "filter = [ { path = \"t\", type = \"" + std::string(type) + "\" } ]\n";
    folder.write("conf.d/a.toml", disk_export("a", layer));
    CHECK(folder.read(all, disk_export("main", layer)) == "main a");
    const auto b = folder.write("conf.d/b.toml", disk_export("b", layer)).string();
    CHECK(folder.read(all) == b + ":3:21: key \"path\": \"t\" is the " + what + " of the layer at line 3 of " +
                                  folder.in("conf.d/a.toml") + ", too; give each a file of its own");
  }
}

TEST_CASE("what an included export wants of the server is looked at with the server's own settings") {
  const Folder folder;
  const auto a = folder.write("conf.d/a.toml", disk_export("a", "tls = \"require\"\n")).string();
  CHECK_THAT(folder.read(all), Catch::Matchers::StartsWith(a + ":3:7: key \"tls\": the server has no TLS"));
}

TEST_CASE("a pipe among the files is a mistake, and not waited for") {
  const Folder folder;
  folder.write("conf.d/a.toml", disk_export("a"));
  const std::string pipe = folder.in("conf.d/b.toml");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(folder.read(all) == pipe + ": cannot read the config: it is not a regular file; take it out of the folder");
}

TEST_CASE("a folder that cannot be read, and patterns that are none, are mistakes") {
  const Folder folder;
  folder.write("conf.d/a.toml/b", "");
  CHECK_THAT(folder.read(all), Catch::Matchers::Contains("a.toml: cannot read the config: Is a directory"));
  CHECK_THAT(folder.read("include = \"x\"\n"), Catch::Matchers::Contains("key \"include\""));
  CHECK_THAT(folder.read("include = [\"\", 3]\n"),
             Catch::Matchers::Contains("is an empty path") && Catch::Matchers::Contains("main.toml:1:16"));
}
