#include "sandbox/grants.hpp"

#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

std::vector<std::string> words(const std::vector<Grant>& grants) {
  std::vector<std::string> all;
  for (const Grant& one : grants)
    all.push_back(std::string(name(one.access)) + " " + one.path.string() + " " + one.why.words);
  return all;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("what lies in a folder that is granted is allowed, and nothing beside it") {
  const TempFolder folder;
  folder.write("a/x", "");
  folder.write("ab/x", "");
  Grants grants;
  grants.add(folder.path() / "a", FileAccess::read, "test");
  CHECK(grants.allow(folder.path() / "a", FileAccess::read));
  CHECK(grants.allow(folder.path() / "a/x", FileAccess::read));
  CHECK(grants.allow(folder.path() / "a/not/there", FileAccess::read));
  CHECK_FALSE(grants.allow(folder.path() / "a/x", FileAccess::write));
  CHECK_FALSE(grants.allow(folder.path() / "a/x", FileAccess::sockets));
  CHECK_FALSE(grants.allow(folder.path() / "ab/x", FileAccess::read));
  CHECK_FALSE(grants.allow(folder.path(), FileAccess::read));
  CHECK_FALSE(grants.allow(folder.path() / "a/../ab/x", FileAccess::read));
}

TEST_CASE("who may write may do all else") {
  const TempFolder folder;
  Grants grants;
  grants.add(folder.path(), FileAccess::read, "one");
  grants.add(folder.path(), FileAccess::sockets, "two");
  CHECK(words(grants.all()) ==
        Words{"sockets " + folder.path().string() + " two", "read " + folder.path().string() + " one"});
  grants.add(folder.path(), FileAccess::write, "three");
  grants.add(folder.path(), FileAccess::read, "four");
  CHECK(words(grants.all()) == Words{"write " + folder.path().string() + " three"});
  for (const FileAccess access : {FileAccess::read, FileAccess::sockets, FileAccess::remove_folders})
    CHECK(grants.allow(folder.path(), access));
}

TEST_CASE("a file stands for its folder, and a link for that of its target, too") {
  const TempFolder folder;
  folder.write("a/disk", "");
  std::filesystem::create_directory(folder.path() / "b");
  std::filesystem::create_symlink("../a/disk", folder.path() / "b/link");
  Grants grants;
  grants.add_file(folder.path() / "b/link", FileAccess::read, "test");
  CHECK(words(grants.all()) ==
        Words{"read " + (folder.path() / "a").string() + " test", "read " + (folder.path() / "b").string() + " test"});
}

TEST_CASE("a folder and a device stand for themselves") {
  const TempFolder folder;
  Grants grants;
  grants.add_file(folder.path(), FileAccess::read, "test");
  grants.add_file("/dev/null", FileAccess::read, "test");
  CHECK(words(grants.all()) == Words{"read /dev/null test", "read " + folder.path().string() + " test"});
}

TEST_CASE("what is not there stands for the nearest folder that is, unless it is the root") {
  const TempFolder folder;
  Grants grants;
  grants.add_file(folder.path() / "not/there/disk", FileAccess::read, "test");
  grants.add_file("/not-there/disk", FileAccess::read, "test");
  CHECK(words(grants.all()) == Words{"read " + folder.path().string() + " test"});
  Grants of_device;
  of_device.add_file("/dev/not-there/disk", FileAccess::read, "test");
  CHECK(words(of_device.all()) == Words{"read /dev test"});
}

TEST_CASE("what others need and these do not allow is missing") {
  const TempFolder folder;
  folder.write("a/x", "");
  folder.write("b/x", "");
  Grants had, wanted;
  had.add(folder.path() / "a", FileAccess::read, "had");
  wanted.add(folder.path() / "a/x", FileAccess::read, "same");
  CHECK(had.missing(wanted).empty());
  wanted.add(folder.path() / "a/x", FileAccess::write, "more");
  wanted.add(folder.path() / "b", FileAccess::read, "other");
  CHECK(words(had.missing(wanted)) == Words{"write " + (folder.path() / "a/x").string() + " more",
                                            "read " + (folder.path() / "b").string() + " other"});
}

TEST_CASE("what is missing is told with the place of the key that needs it") {
  const TempFolder folder;
  folder.write("disks/x", "");
  Grants had, wanted;
  wanted.add_file(folder.path() / "disks/x", FileAccess::read, {"path", "conf.d/a.toml", {3, 8}});
  const std::vector<Grant> missing = had.missing(wanted);
  REQUIRE(missing.size() == 1);
  CHECK(missing[0].why.file == "conf.d/a.toml");
  CHECK(missing[0].why.place.line == 3);
  CHECK(missing[0].why.place.column == 8);
}

TEST_CASE("the root allows all that is below it") {
  const TempFolder folder;
  Grants grants;
  grants.add("/", FileAccess::read, "test");
  CHECK(grants.allow(folder.path() / "not/there", FileAccess::read));
  CHECK_FALSE(grants.allow(folder.path(), FileAccess::write));
}

TEST_CASE("the first reason to connect is kept") {
  Grants grants;
  CHECK(grants.connect().words.empty());
  grants.add_connect("one");
  grants.add_connect("two");
  CHECK(grants.connect().words == "one");
}
