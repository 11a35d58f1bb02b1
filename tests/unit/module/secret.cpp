// Secrets: taken from where the config says, and nothing of them in a message.
#include "module/secret.hpp"

#include <cstdlib>
#include <optional>

#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

// An environment variable for the time of a test; without a value, none of that name.
class Variable {
 public:
  Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    set(value);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() { set(before_); }

 private:
  void set(const std::optional<std::string>& value) const {
    if (value) ::setenv(name_, value->c_str(), 1);
    else ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> before_;
};

TomlNode node(TomlValue value) { return {{6, 9}, std::move(value)}; }
// { key = value }
TomlNode from(const char* key, TomlValue value) { return node(TomlTable{{key, {6, 11}, {{6, 20}, std::move(value)}}}); }

Secret read(const TomlNode& value, const std::filesystem::path& folder = "/nowhere") {
  return read_secret("a.toml", "password", value, folder);
}

std::string refusal(const TomlNode& value, const std::filesystem::path& folder = "/nowhere") {
  try {
    read(value, folder);
    return "accepted";
  } catch (const ConfigError& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("a secret in the config itself") {
  CHECK(read(node(std::string("s3cret"))).text == "s3cret");
  CHECK(read(node(std::string(""))).text.empty());
  CHECK(read(node(std::string("s3cret"))).source.empty());
}

TEST_CASE("a secret in a file: one newline at the end is not of it, and a relative path counts from the config") {
  const TempFolder folder;
  folder.write("a/key", "s3cret\n");
  const Secret secret = read(from("file", std::string("a/key")), folder.path());
  CHECK(secret.text == "s3cret");
  CHECK(secret.source == "file \"" + (folder.path() / "a/key").string() + "\"");
  const auto text = [&](const std::string& contents) {
    return read(from("file", folder.write("other", contents).string())).text;
  };
  CHECK(text("s3cret") == "s3cret");
  CHECK(text("s3cret\n\n") == "s3cret\n");
  CHECK(text(" s3\ncret ") == " s3\ncret ");
  CHECK(text("s3cret\r\n") == "s3cret\r");
  const std::string longest(64 << 10, 'x');
  CHECK(text(longest) == longest);
  CHECK(text(longest + "\n") == longest);
}

TEST_CASE("a file that holds no secret") {
  const TempFolder folder;
  const auto of = [&](const std::string& contents) {
    return refusal(from("file", folder.write("key", contents).string()));
  };
  const std::string start = "a.toml:6:20: key \"file\": ", file = "\"" + (folder.path() / "key").string() + "\"";
  CHECK(of("") == start + file + " is empty; write the secret into it");
  CHECK(of("\n") == start + file + " is empty; write the secret into it");
  CHECK(of(std::string("s3\0cret", 7)) == start + file + " has a NUL character in it; take it out");
  const std::string larger = start + file + " is larger than 64 KiB; name the file that holds the secret alone";
  CHECK(of(std::string((64 << 10) + 1, 'x')) == larger);
  CHECK(of(std::string((64 << 10) + 1, 'x') + "\n") == larger);
  CHECK(of(std::string(1 << 20, 'x')) == larger);
  CHECK(refusal(from("file", std::string("absent")), folder.path()) ==
        start + "cannot read \"" + (folder.path() / "absent").string() + "\": No such file or directory");
  CHECK(refusal(from("file", folder.path().string())) ==
        start + "cannot read \"" + folder.path().string() +
            "\": it is not a regular file; name the file that holds the secret");
  CHECK(refusal(from("file", std::string(""))) == start + "is an empty path; name a file");
}

TEST_CASE("a secret in an environment variable") {
  const Variable set("ASHLAR_TEST_SECRET", "s3cret"), empty("ASHLAR_TEST_EMPTY", ""), none("ASHLAR_TEST_NONE", {});
  const Secret secret = read(from("env", std::string("ASHLAR_TEST_SECRET")));
  CHECK(secret.text == "s3cret");
  CHECK(secret.source == "env \"ASHLAR_TEST_SECRET\"");
  const std::string start = "a.toml:6:20: key \"env\": ";
  CHECK(refusal(from("env", std::string("ASHLAR_TEST_NONE"))) ==
        start + "the environment variable \"ASHLAR_TEST_NONE\" is not set; set it");
  CHECK(refusal(from("env", std::string("ASHLAR_TEST_EMPTY"))) ==
        start + "the environment variable \"ASHLAR_TEST_EMPTY\" is empty; put the secret into it");
  for (const std::string name : {"", "A=B"})
    CHECK(refusal(from("env", name)) == start + "\"" + name + "\" is no name of an environment variable");
}

TEST_CASE("a secret that systemd hands over") {
  const TempFolder folder;
  folder.write("key", "s3cret\n");
  const std::string start = "a.toml:6:20: key \"credential\": ";
  {
    const Variable set("CREDENTIALS_DIRECTORY", folder.path().string());
    const Secret secret = read(from("credential", std::string("key")));
    CHECK(secret.text == "s3cret");
    CHECK(secret.source == "credential \"key\"");
    CHECK(refusal(from("credential", std::string("absent"))) ==
          start + "cannot read \"" + (folder.path() / "absent").string() + "\": No such file or directory");
    for (const std::string name : {"", ".", "..", "a/key", "/etc/passwd"})
      CHECK(refusal(from("credential", name)) ==
            start + "\"" + name +
                "\" is no name of a credential; write the one that LoadCredential= of the unit gives it");
  }
  const Variable none("CREDENTIALS_DIRECTORY", {});
  CHECK(refusal(from("credential", std::string("key"))) ==
        start + "there is no $CREDENTIALS_DIRECTORY; systemd sets it when the unit has LoadCredential=key:/its/file");
}

TEST_CASE("a secret is in one place, and of the right type") {
  CHECK(refusal(from("flie", std::string("key"))) ==
        "a.toml:6:11: key \"flie\": unknown in a secret; did you mean \"file\"?");
  CHECK(refusal(from("vault", std::string("key"))) ==
        "a.toml:6:11: key \"vault\": unknown in a secret; known: file, env, credential");
  CHECK(refusal(node(TomlTable{{"file", {6, 11}, {{6, 18}, std::string("key")}},
                               {"env", {6, 25}, {{6, 31}, std::string("KEY")}}})) ==
        "a.toml:6:25: key \"env\": given beside \"file\"; a secret is in one place: keep one of them");
  CHECK(refusal(node(TomlTable{})) ==
        "a.toml:6:9: key \"password\": says not where the secret is; write { file = … }, { env = … } or "
        "{ credential = … }");
  CHECK(refusal(from("file", true)) ==
        "a.toml:6:20: key \"file\": found a boolean, wanted a string; write it in quotes");
  CHECK(refusal(from("file", std::string("a\0b", 3))) == "a.toml:6:20: key \"file\": has a NUL character; take it out");
}

TEST_CASE("what is wrong with a secret is told without it") {
  CHECK(refusal(node(std::string("s3\0cret", 7))) == "a.toml:6:9: key \"password\": has a NUL character; take it out");
  CHECK(refusal(node(std::int64_t{4711})) ==
        "a.toml:6:9: key \"password\": found an integer, wanted a secret; write it in quotes, or where it is, such as "
        "{ file = \"key\" }");
  CHECK(refusal(node(TomlArray{{{6, 10}, std::string("s3cret")}})) ==
        "a.toml:6:9: key \"password\": found an array, wanted a secret; write it in quotes, or where it is, such as "
        "{ file = \"key\" }");
}
