// `ashlar check`: what it prints of a good config, and what it says of mistakes that need the modules to be found.
#include <algorithm>
#include <sstream>

#include "unit/cli/run_command.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

namespace {

Outcome check(const std::filesystem::path& file) {
  return run_command({"check", file.string(), "--module-path", TEST_MODULES});
}

// The message about the mistake in `text`, without the file's name; the command must fail with 2 and one line.
std::string mistake(const std::string& text) {
  const TempFolder folder;
  const auto file = folder.write("a.toml", text);
  const Outcome outcome = check(file);
  CHECK(outcome.code == 2);
  CHECK(outcome.out.find("OK") == std::string::npos);
  REQUIRE(outcome.err.rfind(file.string(), 0) == 0);
  CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
  return outcome.err.substr(file.string().size());
}

// An export with `plugin` as the lines of its plugin, from line 4 on.
std::string with_plugin(const std::string& plugin) { return "[[export]]\nname = \"a\"\n[export.plugin]\n" + plugin; }

}  // namespace

TEST_CASE("check prints each export's chain with its parameters, and OK") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([server]
sandbox = "off"
[[export]]
name = "disk"
description = "a pond"
  [[export.filter]]
  type = "reed"
  tune = "d \"minor\""
  [[export.filter]]
  type = "reed"
  [export.plugin]
  type = "pond"
  size = "64K"
  shore = "sand"
[[export]]
name = "second"
plugin = { type = "pond", size = 1000, depth = "deep", fish = 3 }
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  CHECK(outcome.out ==
        "export \"disk\"\n"
        "  description  a pond\n"
        "  size         65536 bytes (64K)\n"
        "  read-only    yes\n"
        "  threads      serial\n"
        "  chain, from the client to the plugin:\n"
        "    reed tune=\"d \\\"minor\\\"\"\n"
        "    reed tune=\"c\"\n"
        "    pond size=64K depth=shallow dry=false wet=false shore=\"" +
            folder.path().string() +
            "/sand\"\n"
            "  ops          read\n"
            "  flags        none\n"
            "  blocks       minimum 1, preferred 4K, maximum none of its own\n"
            "  depth        not known\n"
            "  traits       not rotational, one connection\n"
            "\n"
            "export \"second\"\n"
            "  description  -\n"
            "  size         1000 bytes\n"
            "  read-only    yes\n"
            "  threads      parallel\n"
            "  chain, from the client to the plugin:\n"
            "    pond size=1000 depth=deep dry=false wet=false fish=3\n"
            "  ops          read\n"
            "  flags        none\n"
            "  blocks       minimum 1, preferred 4K, maximum none of its own\n"
            "  depth        200\n"
            "  traits       not rotational, one connection, parks\n"
            "\n"
            "sandbox off\n"
            "\n"
            "OK: " +
            file.string() + ": 2 exports\n");
}

TEST_CASE("a parameter that is found to be wrong only when a device describes itself has its place, too") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([[export]]
name = "disk"
plugin = { type = "pond", size = 1, fish = 9 }
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.err, StartsWith(file.string() + ":3:44: key \"fish\": ") && EndsWith("the pond is full\n"));
}

TEST_CASE("check shows the metrics and verbs of each layer below it") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([[export]]
name = "disk"
filter = [{ type = "weir" }, { type = "reed" }]
plugin = { type = "pond", size = 1 }
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("    weir\n"
                                            "      metric boats (counter): that went by\n"
                                            "      metric level_meters (gauge): of the water\n"
                                            "      metric wait_seconds (histogram): of boats\n"
                                            "      verb drain (writes the layers below): take\\nall of it\n"
                                            "      verb look (reads the layers below): what is below\n"
                                            "      verb open: let water through\n"
                                            "    reed tune=\"c\"\n"));
}

TEST_CASE("check marks the layers that the host has added") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([[export]]
name = "disk"
filter = [{ type = "reed" }]
plugin = { type = "pond", size = 1, wet = true }
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, ContainsSubstring("    reed tune=\"c\"\n    zero-emulation (implicit)\n    pond size=1 "));
  CHECK_THAT(outcome.out, ContainsSubstring("  read-only    no\n"));
}

TEST_CASE("check says of an optional export whether it can be opened now, and is content either way") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([server]
sandbox = "off"
[[export]]
name = "wet"
optional = true
plugin = { type = "pond", size = 1, wet = true }
[[export]]
name = "dry"
description = "gone"
optional = true
filter = [{ type = "reed" }]
plugin = { type = "pond", size = 1, dry = true }
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 0);
  CHECK_THAT(outcome.out, StartsWith("export \"wet\"\n"
                                     "  description  -\n"
                                     "  optional     yes; it can be opened now\n"
                                     "  size         1 bytes\n"));
  CHECK_THAT(outcome.out,
             EndsWith("export \"dry\"\n"
                      "  description  gone\n"
                      "  optional     yes; it cannot be opened now: the pond is dry: No such file or directory\n"
                      "  read-only    not known\n"
                      "  chain, from the client to the plugin:\n"
                      "    reed\n"
                      "    pond\n"
                      "\n"
                      "sandbox off\n"
                      "\n"
                      "OK: " +
                      file.string() + ": 2 exports\n"));
}

TEST_CASE("a mistake in an optional export is one all the same") {
  const std::string optional = "[[export]]\nname = \"a\"\noptional = true\n";
  CHECK_THAT(mistake(optional + "plugin = { type = \"pnod\" }\n"),
             StartsWith(":4:19: key \"type\": no plugin \"pnod\""));
  CHECK_THAT(mistake(optional + "plugin = { type = \"pond\", size = 1, wide = 2 }\n"),
             StartsWith(":4:37: key \"wide\": unknown to the plugin \"pond\""));
  CHECK_THAT(mistake(optional + "plugin = { type = \"pond\", size = true }\n"),
             StartsWith(":4:34: key \"size\": found a boolean, wanted a size"));
}

TEST_CASE("module not found") {
  const std::string text = mistake(with_plugin("type = \"pnod\"\nsize = 1\n"));
  CHECK_THAT(text, StartsWith(":4:8: "));
  CHECK_THAT(text, ContainsSubstring("no plugin \"pnod\" in " TEST_MODULES ", "));
  CHECK_THAT(text, EndsWith("; did you mean \"pond\"?\n"));
}

TEST_CASE("filter used as a plugin") {
  CHECK_THAT(mistake(with_plugin("type = \"reed\"\n")), EndsWith("; it is a filter: use it in [[export.filter]]\n"));
}

TEST_CASE("unknown parameter of a module") {
  CHECK(mistake(with_plugin("type = \"pond\"\n  sise = 1\n")) ==
        ":5:3: key \"sise\": unknown to the plugin \"pond\"; did you mean \"size\"?\n");
}

TEST_CASE("required parameter of a module that is missing") {
  CHECK(mistake(with_plugin("type = \"pond\"\n")) ==
        ":4:8: key \"size\": missing for the plugin \"pond\"; add size = … (size: bytes)\n");
}

TEST_CASE("parameter of a module with a wrong value") {
  CHECK(mistake(with_plugin("type = \"pond\"\nsize = 1.5\n")) ==
        ":5:8: key \"size\": found a float, wanted a size; write bytes, or a string such as \"64K\"\n");
  CHECK(mistake(with_plugin("type = \"pond\"\nsize = \"2G\"\n")) ==
        ":5:8: key \"size\": 2147483648 is out of range; give 1..1G\n");
  CHECK(mistake(with_plugin("type = \"pond\"\nsize = 1\ndepth = \"dep\"\n")) ==
        ":6:9: key \"depth\": \"dep\" is not one of the choices; did you mean \"deep\"?\n");
}

TEST_CASE("backend that cannot be opened") {
  const std::string text = mistake(with_plugin("type = \"pond\"\nsize = 1\ndry = true\n"));
  CHECK_THAT(text, StartsWith(":4:8: "));
  CHECK_THAT(text, ContainsSubstring("the pond is dry: No such file or directory"));
}

TEST_CASE("lists and secrets reach the module, and check shows of a secret only where it is from") {
  const TempFolder folder;
  folder.write("door.key", "s3cretkey\n");
  const auto file = folder.write("a.toml", R"([[export]]
name = "disk"
  [[export.filter]]
  type = "lock"
  key = { file = "door.key" }
  spare = "usu4l"
  sides = ["right", "left"]
  doors = ["front", "/back"]
  weights = [1, "2K"]
  copies = ["fourt33n-letter", { file = "door.key" }]
  [[export.filter]]
  type = "lock"
  key = "plains3cret"
  doors = []
  [export.plugin]
  type = "pond"
  size = 1
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 0);
  const std::string at = folder.path().string(), source = "(secret from file \"" + at + "/door.key\")";
  CHECK_THAT(outcome.out, ContainsSubstring("    lock key=" + source + " spare=(secret) sides=[right, left] doors=[\"" +
                                            at + "/front\", \"/back\"] weights=[1, 2K] copies=[(secret), " + source +
                                            "]\n"
                                            "    lock key=(secret) doors=[]\n"));
  for (const std::string secret : {"s3cretkey", "fourt33n-letter", "plains3cret", "usu4l"})
    CHECK((outcome.out + outcome.err).find(secret) == std::string::npos);
}

TEST_CASE("a mistake about a secret does not tell it") {
  const auto with_lock = [](const std::string& lines) {
    return mistake(
        "[[export]]\nname = \"a\"\nplugin = { type = \"pond\", size = 1 }\n[[export.filter]]\ntype = \"lock\"\n" +
        lines);
  };
  CHECK(with_lock("key = \"rusty\"\n") == ":6:7: key \"key\": export \"a\": filter \"lock\": the key does not turn\n");
  CHECK(with_lock("key = \"brittle\"\n") ==
        ":6:7: key \"key\": export \"a\": filter \"lock\": the key (secret) breaks\n");
  CHECK_THAT(with_lock("key = { file = \"absent\" }\n"), StartsWith(":6:16: key \"file\": cannot read \""));
  CHECK(with_lock("copies = [ \"s3cret\", 4711 ]\n") ==
        ":6:22: key \"copies\": found an integer, wanted a secret; write it in quotes, or where it is, such as "
        "{ file = \"key\" }\n");
  CHECK(with_lock("key = { env = \"ASHLAR_TEST_NO_SUCH_VARIABLE\" }\n") ==
        ":6:15: key \"env\": the environment variable \"ASHLAR_TEST_NO_SUCH_VARIABLE\" is not set; set it\n");
  CHECK(with_lock("sides = [\"left\", \"up\"]\n") ==
        ":6:18: key \"sides\": \"up\" is not one of the choices; known: left, right\n");
}

TEST_CASE("all mistakes of a config are told at once: its own, those in parameters, and what cannot be created") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([server]
workers = 0
[[export]]
name = "a"
readonly = true
  [[export.filter]]
  type = "reed"
  tone = "d"
  [export.plugin]
  type = "pnod"
[[export]]
name = "b"
  [[export.filter]]
  type = "lock"
  key = "rusty"
  [[export.filter]]
  type = "lock"
  key = "rusty"
  [export.plugin]
  type = "pond"
  size = 1
[[export]]
name = "c"
plugin = { type = "pond", size = 1, dry = true }
)");
  for (const char* command : {"check", "serve"}) {
    const Outcome outcome = run_command({command, file.string(), "--module-path", TEST_MODULES});
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    const std::vector<std::string> places{"2:11", "5:1", "8:3", "10:10", "15:9", "18:9", "24:19"};
    std::istringstream lines(outcome.err);
    for (const std::string& place : places) {
      std::string line;
      std::getline(lines, line);
      CHECK_THAT(line, StartsWith(file.string() + ":" + place + ": key "));
    }
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == static_cast<std::ptrdiff_t>(places.size()));
  }
}

TEST_CASE("of a module_path that is wrong only that is told, not what lies in it and is not found") {
  CHECK_THAT(mistake("[server]\nmodule_path = [\"/nowhere-at-all\"]\n" + with_plugin("type = \"own\"\n")),
             StartsWith(":2:16: key \"module_path\": /nowhere-at-all: "));
}

TEST_CASE("mistakes of included files come in the order in which these are read, however late they are found") {
  const TempFolder folder;
  const auto late = folder.write("conf.d/a.toml", "[[export]]\nname = \"a\"\nplugin = { type = \"pnod\" }\n");
  const auto early = folder.write("conf.d/b.toml", "[[export]]\nname = 3\nplugin = { type = \"pond\", size = 1 }\n");
  const auto main = folder.write("m.toml", "include = [\"conf.d/*\"]\n" + with_plugin("type = \"pnod\"\n"));
  const std::string told = check(main).err;
  CHECK_THAT(told, StartsWith(main.string() + ":5:8: key \"type\""));
  const auto at_late = told.find("\n" + late.string() + ":3:"), at_early = told.find("\n" + early.string() + ":2:");
  CHECK(at_late != std::string::npos);
  CHECK(at_early != std::string::npos);
  CHECK(at_late < at_early);
}

TEST_CASE("mistakes of several exports, one line each; the good ones are still printed") {
  const TempFolder folder;
  const auto file = folder.write("a.toml", R"([[export]]
name = "a"
plugin = { type = "pnod" }
[[export]]
name = "b"
plugin = { type = "pond", size = 1 }
[[export]]
name = "c"
plugin = { type = "pond" }
)");
  const Outcome outcome = check(file);
  CHECK(outcome.code == 2);
  CHECK_THAT(outcome.out, StartsWith("export \"b\"\n"));
  CHECK_THAT(outcome.err, StartsWith(file.string() + ":3:"));
  CHECK_THAT(outcome.err, ContainsSubstring("\n" + file.string() + ":9:"));
}
