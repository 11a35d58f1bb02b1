// `ashlar new`: which names and places it takes. That the projects build and serve, tests/abi/projects.py checks.
#include <algorithm>
#include <fstream>
#include <iterator>

#include "cli/project.hpp"
#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// Checks that `args` are refused with `text` on one line, and that `folder` holds nothing afterwards.
void check_refused(const std::vector<std::string>& args, const std::string& text, const TempFolder& folder) {
  INFO(text);
  const Outcome outcome = run_command(args);
  CHECK(outcome.code == 2);
  CHECK(outcome.out.empty());
  CHECK(outcome.err == "ashlar: new: " + text + "\n");
  CHECK(names_in(folder.path()).empty());
}

}  // namespace

TEST_CASE("new writes a project of either kind in either language") {
  for (const std::string kind : {"plugin", "filter"})
    for (const bool in_c : {false, true}) {
      INFO(kind << in_c);
      const TempFolder folder;
      const std::string project = (folder.path() / "project").string(), source = in_c ? "my-disk.c" : "my-disk.cpp";
      std::vector<std::string> args{"new", kind, "my-disk", "--dir", project};
      if (in_c) args.push_back("--c");
      const Outcome outcome = run_command(args);
      CHECK(outcome.code == 0);
      CHECK(outcome.err.empty());
      CHECK_THAT(outcome.out, StartsWith("Wrote " + project + ": "));
      CHECK_THAT(outcome.out, ContainsSubstring("\n  cmake --build " + project + "/build\n"));
      CHECK(names_in(project) == std::vector<std::string>{".gitignore", "CMakeLists.txt", "README.md", source,
                                                          "my-disk.toml", "test-my-disk.cpp"});
      CHECK_THAT(contents(project + "/CMakeLists.txt"),
                 ContainsSubstring("ashlar_add_module(" + kind + " my-disk " + source +
                                   (kind == "plugin" ? " CHECK_ARGS --write size=1M)" : ")")));
      // What a plugin serves is overwritten; a filter is checked over a disk in memory.
      const std::string check = kind == "plugin" ? "ashlar-check --write " : "ashlar-check ";
      const std::string parameters = kind == "plugin" ? " size=1M\n" : "\n";
      CHECK_THAT(outcome.out, ContainsSubstring(check + project + "/build/my-disk.so" + parameters));
      CHECK_THAT(contents(project + "/README.md"), ContainsSubstring(check + "build/my-disk.so" + parameters));
      for (const std::string& file : names_in(project)) {
        CHECK_THAT(contents(project + "/" + file), !ContainsSubstring("new-"));  // a word of the template
        CHECK_THAT(contents(project + "/" + file), EndsWith("\n"));
      }
    }
}

TEST_CASE("new writes a module that is called test, and its test") {
  const TempFolder folder;
  const std::string project = (folder.path() / "project").string();
  CHECK(run_command({"new", "plugin", "test", "--dir", project}).code == 0);
  CHECK_THAT(contents(project + "/test.cpp"), ContainsSubstring("ASHLAR_MODULE("));
  CHECK_THAT(contents(project + "/test-test.cpp"), ContainsSubstring("int main("));
  CHECK_THAT(contents(project + "/CMakeLists.txt"), ContainsSubstring("add_executable(test-test test-test.cpp)"));
}

TEST_CASE("new takes a name that is a word of the templates") {
  const TempFolder folder;
  const std::string project = (folder.path() / "project").string();
  CHECK(run_command({"new", "plugin", "my-new-module", "--dir", project}).code == 0);
  CHECK_THAT(contents(project + "/CMakeLists.txt"),
             ContainsSubstring("(plugin my-new-module my-new-module.cpp CHECK_ARGS"));
}

TEST_CASE("new makes the folders above the project's") {
  const TempFolder folder;
  CHECK(run_command({"new", "plugin", "a", "--dir", (folder.path() / "b" / "c").string()}).code == 0);
  CHECK(std::filesystem::exists(folder.path() / "b" / "c" / "a.cpp"));
  CHECK(run_command({"new", "plugin", "a", "--dir", (folder.path() / "d").string() + "/"}).code == 0);
  CHECK(std::filesystem::exists(folder.path() / "d" / "a.cpp"));
}

TEST_CASE("new overwrites nothing") {
  const TempFolder folder;
  std::filesystem::create_directory(folder.path() / "empty");
  std::filesystem::create_symlink("nowhere", folder.path() / "link");
  folder.write("full/a.cpp", "mine");
  folder.write("file", "mine");
  for (const std::string there : {"empty", "link", "full", "file"}) {
    const std::string path = (folder.path() / there).string();
    const Outcome outcome = run_command({"new", "plugin", "a", "--dir", path});
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.err ==
          "ashlar: new: \"" + path + "\" is there already, and stays as it is; name a folder to be made with --dir\n");
  }
  CHECK(names_in(folder.path()) == std::vector<std::string>{"empty", "file", "full", "link"});
  CHECK(names_in(folder.path() / "empty").empty());
  CHECK(names_in(folder.path() / "full") == std::vector<std::string>{"a.cpp"});
  CHECK(contents(folder.path() / "full" / "a.cpp") == "mine");
  CHECK(contents(folder.path() / "file") == "mine");
}

TEST_CASE("new says what cannot be written, and leaves nothing half done") {
  const TempFolder folder;
  folder.write("file", "");
  const Outcome below_file = run_command({"new", "plugin", "a", "--dir", (folder.path() / "file" / "a").string()});
  CHECK(below_file.code == 1);
  CHECK_THAT(below_file.err, StartsWith("ashlar: new: cannot write " + (folder.path() / "file").string()));

  // The second file has the name of a folder that does not exist.
  const auto project = folder.path() / "project";
  CHECK_THROWS_AS(write_project(project, {{"good", "text"}, {"no/where", "text"}}), std::system_error);
  CHECK_FALSE(std::filesystem::exists(project));
  CHECK_THROWS_AS(write_project(project, {{"twice", "text"}, {"twice", "other"}}), std::system_error);
  CHECK_FALSE(std::filesystem::exists(project));
}

TEST_CASE("new refuses what cannot be the name of a module, and tells one that can") {
  const TempFolder folder;
  const std::string rule =
      " is no name for a module: it has letters a to z, digits and single hyphens between them, a letter first, and is "
      "at most 64 long; write: ashlar new plugin ";
  const auto check = [&](const std::string& name, const std::string& meant) {
    check_refused({"new", "plugin", name, "--dir", (folder.path() / "x").string()}, "\"" + name + "\"" + rule + meant,
                  folder);
  };
  check("Ram", "ram");
  check("my_disk", "my-disk");
  check("My  Disk.so", "my-disk-so");
  check("../up", "up");
  check("a/b", "b");
  check("a-", "a");
  check("a--b", "a-b");
  check("9p", "NAME");
  check("", "NAME");
  check("Größe", "groesse");
  check("ÉCRAN ÿ", "ecran-y");
  check(
      "a\xcc\x88"
      "b",
      "ab");
  check("диск", "NAME");
  check("диск 2", "NAME");
  check(std::string(65, 'a'), "NAME");
  CHECK(is_module_name("a"));
  CHECK(is_module_name("s3-v2"));
  CHECK(is_module_name(std::string(64, 'a')));
  CHECK_FALSE(is_module_name("-a"));
}

TEST_CASE("new takes a path for the folder that is meant") {
  const TempFolder folder;
  const std::string path = (folder.path() / "My Disk").string();
  const Outcome outcome = run_command({"new", "filter", path});
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, EndsWith("; write: ashlar new filter my-disk --dir '" + path + "'\n"));
  CHECK(names_in(folder.path()).empty());
}

TEST_CASE("new refuses a folder without a name") {
  const TempFolder folder;
  check_refused({"new", "plugin", "a", "--dir", ""},
                "--dir: the folder's name is empty; name one to be made, or leave the option out", folder);
}

TEST_CASE("new refuses the name of a module of that kind that there is, and says why") {
  const TempFolder folder;
  const std::string project = (folder.path() / "x").string();
  check_refused({"new", "plugin", "file", "--dir", project},
                "ashlar has a plugin \"file\" already, and the type of a layer in a config can mean only one; choose "
                "another name, such as my-file",
                folder);
  check_refused({"new", "filter", "log", "--dir", project},
                "ashlar has a filter \"log\" already, and the type of a layer in a config can mean only one; choose "
                "another name, such as my-log",
                folder);
  CHECK(run_command({"new", "plugin", "log", "--dir", project}).code == 0);
}

TEST_CASE("new wants a kind and a name") {
  const TempFolder folder;
  check_refused({"new"}, "no KIND; write: ashlar new KIND NAME", folder);
  check_refused({"new", "plugin"}, "no NAME; write: ashlar new plugin NAME", folder);
  check_refused({"new", "ram"}, "no KIND, plugin or filter; write: ashlar new plugin ram", folder);
  check_refused({"new", "ram", "--c"}, "no KIND, plugin or filter; write: ashlar new plugin ram --c", folder);
  check_refused({"new", "plugin", "a", "b"}, "takes one KIND and one NAME; take out \"b\"", folder);
  check_refused({"new", "filtr", "a"}, "\"filtr\" is neither plugin nor filter; write: ashlar new filter a", folder);
  check_refused({"new", "disk", "a"}, "\"disk\" is neither plugin nor filter; write: ashlar new plugin a", folder);
  check_refused({"new", "plugin", "a", "--dri", "b"},
                "unknown option \"--dri\"; did you mean: ashlar new plugin a --dir b", folder);
}
