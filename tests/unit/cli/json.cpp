// What the commands print for programs.
#include "cli/json.hpp"

#include <ashlar/abi.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <sstream>

#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

namespace json = boost::json;
using ashlar::host::json_text;

namespace {

std::string as_json(std::string_view text) { return json::serialize(json::value(json_text(text))); }

// What a command prints on stdout, which must be JSON.
json::value printed(const Outcome& outcome) {
  INFO(outcome.out);
  boost::system::error_code error;
  json::value value = json::parse(outcome.out, error);
  REQUIRE(!error);
  return value;
}

std::string path_of_module(const std::string& name) { return std::string(TEST_MODULES) + "/" + name + ".so"; }

}  // namespace

TEST_CASE("a JSON string is UTF-8 and has no control characters") {
  CHECK(as_json("") == "\"\"");
  CHECK(as_json("a/\"\\\t\r\x1b") == "\"a/\\\"\\\\\\t\\r\\u001b\"");
  CHECK(as_json(std::string_view("\0", 1)) == "\"\\u0000\"");
  CHECK(as_json("\xc3\xbc \xe2\x82\xac \xf0\x9f\xaa\xa8") == "\"\xc3\xbc \xe2\x82\xac \xf0\x9f\xaa\xa8\"");
  const std::string bad = "\xef\xbf\xbd";
  CHECK(as_json("\x80") == '"' + bad + '"');
  CHECK(as_json("\xc0\x80") == '"' + bad + bad + '"');                      // longer than needed
  CHECK(as_json("\xe0\x80\x80") == '"' + bad + bad + bad + '"');            // likewise
  CHECK(as_json("\xed\xa0\x80") == '"' + bad + bad + bad + '"');            // a surrogate
  CHECK(as_json("\xf4\x90\x80\x80") == '"' + bad + bad + bad + bad + '"');  // beyond U+10FFFF
  CHECK(as_json("\xe2\x82") == '"' + bad + bad + '"');                      // cut off
}

TEST_CASE("printed JSON is the same value, with objects in arrays on lines of their own") {
  const json::value value{{"a", {1, 2}}, {"b", {{{"c", nullptr}}, {{"d", json::array{}}}}}, {"e", "x\ny"}};
  std::ostringstream out;
  ashlar::host::print_json(out, value);
  CHECK(json::parse(out.str()) == value);
  CHECK(out.str() == "{\"a\": [1, 2], \"b\": [\n  {\"c\": null},\n  {\"d\": []}\n], \"e\": \"x\\ny\"}\n");
}

TEST_CASE("check --json tells all that check does") {
  const TempFolder folder;
  folder.write("door.key", "s3cretkey\n");
  const auto file = folder.write("a.toml", R"([[export]]
name = "disk"
description = "a \"pond\""
  [[export.filter]]
  type = "weir"
  [[export.filter]]
  type = "lock"
  key = { file = "door.key" }
  spare = "plains3cret"
  weights = [1, "2K"]
  [export.plugin]
  type = "pond"
  size = "64K"
  wet = true
[[export]]
name = "dry"
optional = true
plugin = { type = "pond", size = 1, dry = true }
)");
  const Outcome outcome = run_command({"check", "--json", file.string(), "--module-path", TEST_MODULES});
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  CHECK(outcome.out.find("s3cret") == std::string::npos);
  const json::value all = printed(outcome);
  CHECK(all.at("ok") == true);
  CHECK(all.at("mistakes").as_array().empty());
  const json::array& exports = all.at("exports").as_array();
  REQUIRE(exports.size() == 2);
  const json::object& disk = exports[0].as_object();
  CHECK(disk.at("name") == "disk");
  CHECK(disk.at("description") == "a \"pond\"");
  CHECK(disk.at("optional") == false);
  CHECK(disk.at("opened") == true);
  CHECK(disk.at("size") == 65536);
  CHECK(disk.at("read_only") == false);
  CHECK(disk.at("threads") == "serial");
  CHECK(disk.at("ops") == json::parse(R"(["read", "write"])"));
  CHECK(disk.at("blocks") == json::parse(R"({"minimum": 1, "preferred": 4096, "maximum": 0})"));
  const json::array& layers = disk.at("layers").as_array();
  REQUIRE(layers.size() == 4);
  CHECK(layers[0] == json::parse(R"({"type": "weir", "kind": "filter", "version": "1.2", "implicit": false,
    "parameters": {}, "metrics": [{"name": "boats", "kind": "counter", "help": "that went by"},
    {"name": "level_meters", "kind": "gauge", "help": "of the water"},
    {"name": "wait_seconds", "kind": "histogram", "help": "of boats"}],
    "verbs": [{"name": "drain", "below": "write", "help": "take\nall of it"},
    {"name": "look", "below": "read", "help": "what is below"},
    {"name": "open", "below": "none", "help": "let water through"}]})"));
  const std::string key = "file \"" + folder.path().string() + "/door.key\"";
  CHECK(layers[1].at("parameters") ==
        json::value{{"key", {{"secret", key}}}, {"spare", {{"secret", "here"}}}, {"weights", {1, 2048}}});
  CHECK(layers[2].at("type") == "zero-emulation");
  CHECK(layers[2].at("implicit") == true);
  CHECK(layers[3].at("kind") == "plugin");
  CHECK(layers[3].at("parameters") == json::parse(R"({"size": 65536, "depth": "shallow", "dry": false, "wet": true})"));
  CHECK(exports[1] == json::parse(R"({"name": "dry", "description": "", "optional": true, "exclusive": false,
    "max_connections": null, "tls_required": false, "allow": null, "opened": false,
    "error": "the pond is dry: No such file or directory", "layers": [{"type": "pond", "kind": "plugin"}]})"));
}

TEST_CASE("check --json lists the mistakes, and stderr has them, too") {
  const TempFolder folder;
  const auto file = folder.write("a.toml",
                                 "[server]\nworkers = 0\n[[export]]\nname = \"a\"\nplugin = { type = \"pnod\" }\n"
                                 "[[export]]\nname = \"b\"\nplugin = { type = \"pond\", size = 1 }\n");
  const Outcome outcome = run_command({"check", "--json", file.string(), "--module-path", TEST_MODULES});
  CHECK(outcome.code == 2);
  const json::value all = printed(outcome);
  CHECK(all.at("ok") == false);
  CHECK(all.at("exports").as_array().size() == 1);
  const json::array& mistakes = all.at("mistakes").as_array();
  REQUIRE(mistakes.size() == 2);
  CHECK(mistakes[0] == json::value{{"file", file.string()},
                                   {"line", 2},
                                   {"column", 11},
                                   {"what", "key \"workers\": 0 is out of range; give 1 to 4096"}});
  CHECK(all.at("warnings").as_array().empty());
  CHECK(mistakes[1].at("line") == 5);
  CHECK_THAT(outcome.err, StartsWith(file.string() + ":2:11: ") && ContainsSubstring("\n" + file.string() + ":5:19: "));

  const auto part = folder.write("conf.d/b.toml", "[[export]]\nname = 3\n");
  const auto including = folder.write("b.toml", "include = [\"conf.d/*\"]\n");
  const Outcome included = run_command({"check", "--json", including.string(), "--module-path", TEST_MODULES});
  CHECK(printed(included).at("mistakes").at(0).at("file").as_string().c_str() == part.string());

  const Outcome none = run_command({"check", "--json", (folder.path() / "none.toml").string()});
  CHECK(none.code == 2);
  CHECK(printed(none).at("mistakes").at(0).at("what") == "cannot read the config: No such file or directory");
}

TEST_CASE("list --json has each module, and those that are broken") {
  const TempFolder folder;
  folder.write("broken.so", "no library");
  const Outcome outcome =
      run_command({"list", "--json", "--module-path", TEST_MODULES, "--module-path", folder.path().string()});
  CHECK(outcome.code == 1);
  CHECK_THAT(outcome.err, ContainsSubstring("is no ELF file"));
  const json::value all = printed(outcome);
  bool pond = false, reed = false, broken = false;
  for (const json::value& module : all.as_array()) {
    pond = pond || module == json::value{{"kind", "plugin"},
                                         {"name", "pond"},
                                         {"path", path_of_module("pond")},
                                         {"version", "2.1"},
                                         {"summary", "still water"}};
    reed = reed || (module.at("name") == "reed" && module.at("group") == "music");
    if (module.at("name") != "broken") continue;
    broken = true;
    CHECK_THAT(std::string(module.at("error").as_string()), ContainsSubstring("is no ELF file"));
  }
  CHECK(pond);
  CHECK(reed);
  CHECK(broken);
}

TEST_CASE("inspect --json describes a module's parameters") {
  const Outcome outcome = run_command({"inspect", "--json", "lock", "--module-path", TEST_MODULES});
  CHECK(outcome.code == 0);
  const json::value all = printed(outcome);
  REQUIRE(all.as_array().size() == 1);
  const json::object& lock = all.at(0).as_object();
  CHECK(lock.at("name") == "lock");
  CHECK(lock.at("kind") == "filter");
  CHECK(lock.at("version") == "1.1");
  CHECK(lock.at("abi_major") == ASHLAR_ABI_MAJOR);
  CHECK(lock.at("needs_minor") == ASHLAR_ABI_MINOR);
  CHECK(lock.at("threads") == "serial");
  for (const char* ability : {"connects", "probe", "exports", "serving"}) CHECK(lock.at(ability) == false);
  CHECK_FALSE(lock.contains("group"));
  CHECK(lock.at("path") == json::value(path_of_module("lock")));
  CHECK(lock.at("parameters") == json::parse(R"json([
    {"name": "key", "type": "secret", "required": false, "default": null, "help": "opens it"},
    {"name": "spare", "type": "secret", "required": false, "default": null, "help": "opens it, too"},
    {"name": "sides", "type": "list", "item": "choice", "required": false, "default": null, "help": "where it is",
     "choices": ["left", "right"]},
    {"name": "doors", "type": "list", "item": "path", "required": false, "default": null, "help": "what it is on"},
    {"name": "weights", "type": "list", "item": "size", "required": false, "default": null, "help": "bytes",
     "minimum": 1, "maximum": 4096},
    {"name": "copies", "type": "list", "item": "secret", "required": false, "default": null, "help": "of the key"}
  ])json"));
}

TEST_CASE("inspect --json tells the group and the abilities of a module") {
  const auto inspected = [](const char* module) {
    return printed(run_command({"inspect", "--json", module, "--module-path", TEST_MODULES})).at(0).as_object();
  };
  CHECK(inspected("reed").at("group") == "music");
  CHECK(inspected("reed").at("connects") == true);
  CHECK(inspected("well").at("probe") == true);
}

TEST_CASE("inspect shows lists and secrets") {
  const Outcome outcome = run_command({"inspect", "lock", "--module-path", TEST_MODULES});
  CHECK_THAT(outcome.out, ContainsSubstring("  key      secret          -        -           no        opens it\n"));
  CHECK_THAT(outcome.out,
             ContainsSubstring("  spare    secret          -        -           no        opens it, too\n"));
  CHECK_THAT(outcome.out, ContainsSubstring("  sides    list of choice  -        left|right  no        where it is\n"));
  CHECK_THAT(outcome.out, ContainsSubstring("  weights  list of size    -        1..4K       no        bytes\n"));
}
