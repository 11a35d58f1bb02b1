// One test per mistake: where it is, which key it is, and what to do.
#include <algorithm>
#include <sstream>

#include "config/config.hpp"
#include "unit/matchers.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

constexpr const char* disk = "[[export]]\nname = \"disk\"\n[export.plugin]\ntype = \"file\"\n";

// The lines about the mistakes in `text`, without the file's name; "none" when there is none.
std::string mistake(const std::string& text) {
  const TempFolder folder;
  const auto file = folder.write("a.toml", text);
  try {
    read_config(file);
    return "none";
  } catch (const ConfigError& e) {
    std::istringstream all(e.what());
    std::string lines;
    for (std::string line; std::getline(all, line);) {
      const bool placed = line.rfind(file.string(), 0) == 0;
      lines += (lines.empty() ? "" : "\n") + (placed ? line.substr(file.string().size()) : line);
    }
    return lines;
  }
}

// The same, for a line in [server]; it is line 2.
std::string server_mistake(const std::string& line) { return mistake("[server]\n" + line + "\n" + disk); }

}  // namespace

TEST_CASE("the configs that the mistakes are put into have none") {
  CHECK(mistake(disk) == "none");
  CHECK(server_mistake("workers = 1") == "none");
}

TEST_CASE("unknown key") {
  CHECK(server_mistake("port = 10809") ==
        ":2:1: key \"port\": unknown in [server]; did you mean listen = [\"tcp::10809\"]?");
  CHECK(server_mistake("tls = { mode = \"require\", cert = \"a.pem\" }") ==
        ":2:27: key \"cert\": unknown in tls; did you mean certificates, the folder of ca-cert.pem, server-cert.pem "
        "and server-key.pem?");
  CHECK(server_mistake("lisen = []") == ":2:1: key \"lisen\": unknown in [server]; did you mean \"listen\"?");
  CHECK(server_mistake("  color = 1") ==
        ":2:3: key \"color\": unknown in [server]; known: listen, log_level, log_format, user, group, "
        "module_path, max_connections, "
        "handshake_timeout, max_payload, workers, max_memory, busy_poll, keepalive, tls, sandbox, allow, control, "
        "metrics");
  CHECK(mistake("[sever]\n") == ":1:2: key \"sever\": unknown in the config; did you mean \"server\"?");
  CHECK(mistake("[[export]]\nnaem = \"a\"\nplugin = { type = \"file\" }\n") ==
        ":2:1: key \"naem\": unknown in [[export]]; did you mean \"name\"?");
  CHECK(mistake("[[export]]\nname = \"a\"\nplugin = { type = \"file\" }\n[[export.filters]]\n") ==
        ":4:10: key \"filters\": unknown in [[export]]; did you mean \"filter\"?");
}

TEST_CASE("all mistakes are told, in the order of the file") {
  CHECK(mistake("[zz]\n[aa]\n") ==
        ":1:2: key \"zz\": unknown in the config; known: server, include, export\n"
        ":2:2: key \"aa\": unknown in the config; known: server, include, export");
  CHECK(mistake(R"([server]
max_payload = "1.5M"
workers = 0
listen = ["udp::1", "tcp::0", { unix = 1, tcp = ":1" }, "tcp::1", "tcp::1"]
[[export]]
description = 7
[[export]]
name = "a"
read_only = 1
  [[export.filter]]
  [[export.filter]]
  type = ""
  [export.plugin]
  type = "file"
[[export]]
name = "a"
plugin = { type = "file" }
)") ==
        R"(:2:15: key "max_payload": "1.5M" has a fraction; write a whole number of a smaller unit, such as "1536K"
:3:11: key "workers": 0 is out of range; give 1 to 4096
:4:11: key "listen": "udp::1" is not an address; write tcp:HOST:PORT, unix:PATH or fd:NAME
:4:40: key "unix": found an integer, wanted a string; write what stands behind unix: in the short form
:4:43: key "tcp": given beside "unix"; make it an address of its own
:4:67: key "listen": "tcp::1" is listed twice; take one out
:5:1: key "name": missing in this [[export]]; add name = "disk"
:5:1: key "plugin": missing in this [[export]]; add an [export.plugin] with a type, such as "file"
:6:15: key "description": found an integer, wanted a string; write description = "…"
:9:13: key "read_only": found an integer, wanted a boolean; write true or false, without quotes
:10:3: key "type": missing in this [[export.filter]]; add the name of a module (see `ashlar list`)
:12:10: key "type": is empty; write the name of a module (see `ashlar list`)
:16:8: key "name": "a" is the name of the export in line 7 too; name one of them differently)");
}

TEST_CASE("of many mistakes the first twenty are told, and how many more there are") {
  const auto config = [](int mistakes) {
    std::string text = "[server]\n";
    for (int i = 1; i <= mistakes; ++i) text += "q" + std::to_string(i) + " = 1\n";
    return mistake(text + disk);
  };
  const auto lines = [](const std::string& text) { return 1 + std::count(text.begin(), text.end(), '\n'); };
  CHECK(lines(config(20)) == 20);
  CHECK_THAT(config(20), ContainsSubstring("\n:21:1: key \"q20\""));
  CHECK(lines(config(25)) == 21);
  CHECK_THAT(config(25), ContainsSubstring("\n:21:1: key \"q20\"") && EndsWith("\nand 5 more"));
}

TEST_CASE("what a mistyped key stands for is not told to be missing beside it") {
  CHECK(mistake("[[export]]\nnaem = \"a\"\nplguin = { type = \"file\" }\n") ==
        ":2:1: key \"naem\": unknown in [[export]]; did you mean \"name\"?\n"
        ":3:1: key \"plguin\": unknown in [[export]]; did you mean \"plugin\"?");
  CHECK(mistake("[[exprot]]\nname = \"a\"\n") ==
        ":1:3: key \"exprot\": unknown in the config; did you mean \"export\"?");
}

TEST_CASE("wrong type in [server]") {
  CHECK(
      server_mistake("listen = \"tcp::1\"") ==
      ":2:10: key \"listen\": found a string, wanted an array of addresses; write listen = [\"tcp:127.0.0.1:10809\"]");
  CHECK_THAT(server_mistake("listen = [\"tcp::1\", 2]"),
             StartsWith(":2:21: key \"listen\": found an integer, wanted a string or a table; write \"unix:"));
  CHECK(server_mistake("log_level = 3") ==
        ":2:13: key \"log_level\": found an integer, wanted a string; write log_level = \"info\"");
  CHECK_THAT(
      server_mistake("module_path = \"/usr\""),
      StartsWith(":2:15: key \"module_path\": found a string, wanted an array of strings; write module_path = ["));
  CHECK(server_mistake("max_connections = \"9\"") ==
        ":2:19: key \"max_connections\": found a string, wanted an integer; write a whole number, without quotes");
  CHECK_THAT(server_mistake("workers = 1.0"), StartsWith(":2:11: key \"workers\": found a float, wanted an integer"));
  CHECK(server_mistake("handshake_timeout = \"10s\"") ==
        ":2:21: key \"handshake_timeout\": found a string, wanted a number; write seconds, such as 10 or 0.5");
  CHECK(server_mistake("max_payload = 1.5") ==
        ":2:15: key \"max_payload\": found a float, wanted a size; write bytes, or a string such as \"64K\"");
  CHECK_THAT(server_mistake("workers = 2020-01-01"), ContainsSubstring("found a date or time, wanted an integer"));
  CHECK(mistake(std::string("server = 1\n") + disk) ==
        ":1:10: key \"server\": found an integer, wanted a table; write [server]");
}

TEST_CASE("wrong type in an export") {
  const auto in_export = [](const std::string& line) {
    return mistake("[[export]]\nname = \"a\"\n" + line + "\n[export.plugin]\ntype = \"file\"\n");
  };
  CHECK(mistake("[[export]]\nname = 1\nplugin = { type = \"file\" }\n") ==
        ":2:8: key \"name\": found an integer, wanted a string; write name = \"disk\"");
  CHECK_THAT(in_export("description = true"),
             StartsWith(":3:15: key \"description\": found a boolean, wanted a string"));
  CHECK(in_export("read_only = \"yes\"") ==
        ":3:13: key \"read_only\": found a string, wanted a boolean; write true or false, without quotes");
  CHECK_THAT(in_export("optional = 1"), StartsWith(":3:12: key \"optional\": found an integer, wanted a boolean"));
  CHECK_THAT(in_export("zero_emulation = 0"),
             StartsWith(":3:18: key \"zero_emulation\": found an integer, wanted a boolean"));
  CHECK(in_export("filter = \"log\"") ==
        ":3:10: key \"filter\": found a string, wanted an array of tables; write [[export.filter]], with two brackets, "
        "once per filter");
  CHECK_THAT(in_export("filter = [\"log\"]"), StartsWith(":3:11: key \"filter\": found a string, wanted a table"));
  CHECK(mistake("[[export]]\nname = \"a\"\nplugin = \"file\"\n") ==
        ":3:10: key \"plugin\": found a string, wanted a table; write [export.plugin], with one bracket");
  CHECK_THAT(mistake("[[export]]\nname=\"a\"\n[export.plugin]\ntype = 4\n"),
             StartsWith(":4:8: key \"type\": found an integer, wanted a string"));
  CHECK(mistake("[export]\nname = \"a\"\n") ==
        ":1:1: key \"export\": found a table, wanted an array of tables; write [[export]], with two brackets");
  CHECK_THAT(mistake("export = [1]\n"), StartsWith(":1:11: key \"export\": found an integer, wanted a table"));
}

TEST_CASE("out of range") {
  CHECK(server_mistake("max_connections = 0") ==
        ":2:19: key \"max_connections\": 0 is out of range; give 1 to 1000000");
  CHECK_THAT(server_mistake("max_connections = 1000001"),
             ContainsSubstring("1000001 is out of range; give 1 to 1000000"));
  CHECK_THAT(server_mistake("max_connections = -1"), ContainsSubstring("-1 is out of range"));
  CHECK(server_mistake("workers = 4097") == ":2:11: key \"workers\": 4097 is out of range; give 1 to 4096");
  CHECK_THAT(server_mistake("max_memory = \"127M\""), ContainsSubstring("133169152 is out of range; give 128M to 1T"));
  CHECK(server_mistake("busy_poll = 10001") == ":2:13: key \"busy_poll\": 10001 is out of range; give 0 to 10000");
  CHECK(server_mistake("busy_poll = \"yes\"") == ":2:13: key \"busy_poll\": \"yes\"; write \"auto\" or microseconds");
  CHECK(server_mistake("sandbox = \"on\"") == ":2:11: key \"sandbox\": no mode \"on\"; known: off, auto, require");
  CHECK(server_mistake("sandbox = true") ==
        ":2:11: key \"sandbox\": found a boolean, wanted a string; write sandbox = \"auto\"");
  CHECK(server_mistake("sandbox = { mode = \"requir\" }") ==
        ":2:20: key \"mode\": no mode \"requir\"; did you mean \"require\"?");
  CHECK(server_mistake("sandbox = { conect = true }") ==
        ":2:13: key \"conect\": unknown in sandbox; did you mean \"connect\"?");
  CHECK(server_mistake("sandbox = { read = [\"/nowhere/x\"] }") ==
        ":2:21: key \"read\": /nowhere/x: No such file or directory; name an existing file or folder");
  CHECK(server_mistake("sandbox = { write = \"/tmp\" }") ==
        ":2:21: key \"write\": found a string, wanted an array of paths; write write = [\"/folder\"]");
  CHECK(server_mistake("keepalive = -1") == ":2:13: key \"keepalive\": -1 is out of range; give 0 to 32767");
  CHECK_THAT(server_mistake("keepalive = 32768"), ContainsSubstring("give 0 to 32767"));
  CHECK(server_mistake("max_payload = 65535") == ":2:15: key \"max_payload\": 65535 is out of range; give 64K to 64M");
  CHECK_THAT(server_mistake("max_payload = \"65M\""), ContainsSubstring("68157440 is out of range; give 64K to 64M"));
  CHECK_THAT(server_mistake("max_payload = \"1.5M\""),
             StartsWith(":2:15: key \"max_payload\": \"1.5M\" has a fraction; write a whole number"));
  for (const char* seconds : {"0", "-1", "0.0", "0.0009", "86401", "nan", "inf"})
    CHECK(server_mistake(std::string("handshake_timeout = ") + seconds) ==
          ":2:21: key \"handshake_timeout\": is out of range; give 0.001 to 86400 seconds");
}

TEST_CASE("unknown log level") {
  CHECK(server_mistake("log_level = \"wran\"") ==
        ":2:13: key \"log_level\": no level \"wran\"; did you mean \"warn\"?");
  CHECK_THAT(server_mistake("log_level = \"loud\""), ContainsSubstring("; known: trace, debug, info, warn, error"));
}

TEST_CASE("listen address") {
  CHECK(server_mistake("listen = [\"tcp:localhost\"]") ==
        ":2:11: key \"listen\": \"tcp:localhost\" has no port; write tcp:HOST:PORT, or tcp::PORT for all addresses");
  CHECK(server_mistake("listen = []") ==
        ":2:10: key \"listen\": is empty; name an address, or leave the key out for tcp:127.0.0.1:10809");
  CHECK_THAT(server_mistake("listen = [\"unix:/" + std::string(200, 'x') + "\"]"),
             ContainsSubstring("is 201 bytes long as a full path; the kernel takes 107"));
  const std::string longer_name = "\"unix:@" + std::string(107, 'x') + "\"";
  for (const auto& [line, key] : {std::pair("listen = [" + longer_name + "]", "listen"),
                                  {"control = " + longer_name, "control"},
                                  {"metrics = " + longer_name, "metrics"}}) {
    CHECK_THAT(server_mistake(line), ContainsSubstring("key \"" + std::string(key) + "\"") &&
                                         ContainsSubstring("has a name of 107 bytes; the most is 106"));
  }
}

TEST_CASE("listen address as a table") {
  const auto with = [](const std::string& keys) { return server_mistake("listen = [{ " + keys + " }]"); };
  const std::string unix = "unix = \"/run/a\", ";
  CHECK(with("unxi = \"/run/a\"") == ":2:13: key \"unxi\": unknown in an address; did you mean \"unix\"?");
  CHECK(with("mode = \"0660\"") ==
        ":2:11: key \"listen\": names no address; add unix = \"/run/a.sock\" or tcp = \"127.0.0.1:10809\"");
  CHECK(with(unix + "tcp = \":1\"") == ":2:30: key \"tcp\": given beside \"unix\"; make it an address of its own");
  CHECK(with("unix = 1") ==
        ":2:20: key \"unix\": found an integer, wanted a string; write what stands behind unix: in the short form");
  CHECK(with("unix = \"\"") == ":2:20: key \"unix\": \"unix:\" has no path; write unix:/path/of/socket");
  CHECK(with("tcp = \"localhost\"") ==
        ":2:19: key \"tcp\": \"tcp:localhost\" has no port; write tcp:HOST:PORT, or tcp::PORT for all addresses");
  CHECK(with("tcp = \"tcp::1\"") == ":2:19: key \"tcp\": begins with tcp: again; leave that out");
  CHECK(server_mistake("listen = [\"unix:/run/a\", { " + unix + "mode = \"0600\" }]") ==
        ":2:26: key \"listen\": \"unix:/run/a\" is listed twice; take one out");
}

TEST_CASE("mode, owner and group of a socket's file") {
  const auto with = [](const std::string& key) {
    return server_mistake("listen = [{ unix = \"/run/a\", " + key + " }]");
  };
  CHECK(with("mode = 660") ==
        ":2:37: key \"mode\": found an integer, wanted a string; write its octal digits in quotes: \"0660\"");
  for (const std::string mode : {"", "66", "0888", "066x", "00660", "1777", "-660", "rw-rw----"})
    CHECK(with("mode = \"" + mode + "\"") ==
          ":2:37: key \"mode\": \"" + mode + "\" is not a mode; write its octal digits, such as \"0660\"");
  CHECK(with("mode = \"0444\"") ==
        ":2:37: key \"mode\": \"0444\" lets nobody connect; that takes the right to write, as "
        "in \"0660\"");
  for (const std::string name : {"no-such-one", "", "-1", "4294967295", "0x1"}) {
    CHECK(with("owner = \"" + name + "\"") ==
          ":2:38: key \"owner\": no user \"" + name + "\" on this machine; name one that there is, or give its number");
    CHECK(with("group = \"" + name + "\"") == ":2:38: key \"group\": no group \"" + name +
                                                  "\" on this machine; name one that there is, or give its number");
  }
  CHECK_THAT(with("owner = -1"), StartsWith(":2:38: key \"owner\": no user \"-1\""));
  CHECK_THAT(with("group = true"), StartsWith(":2:38: key \"group\": found a boolean, wanted a string"));
  CHECK(with("owner = \"root\", group = \"0\"") == "none");

  const auto elsewhere = [](const std::string& address, const std::string& key) {
    return server_mistake("listen = [{ " + address + ", " + key + " }]");
  };
  for (const std::string key : {"mode = \"0660\"", "owner = \"root\"", "group = \"root\""}) {
    const std::string text =
        "key \"" + key.substr(0, key.find(' ')) + "\": is for unix sockets that are files; take it out";
    CHECK(elsewhere("tcp = \":1\"", key) == ":2:25: " + text);
    CHECK(elsewhere("unix = \"@a\"", key) == ":2:26: " + text);
  }
}

TEST_CASE("duplicate listen address") {
  CHECK(server_mistake("listen = [\"tcp:[::1]:1\", \"tcp:[0::1]:1\"]") ==
        ":2:26: key \"listen\": \"tcp:[0::1]:1\" is listed twice; take one out");
  CHECK(server_mistake("listen = [\"tcp::0\", \"tcp::0\"]") == "none");
}

TEST_CASE("a module path that is no folder") {
  CHECK(server_mistake("module_path = [\"/nowhere-at-all\"]") ==
        ":2:16: key \"module_path\": /nowhere-at-all: No such file or directory; name an existing folder");
  CHECK_THAT(server_mistake("module_path = [\"a.toml\"]"),
             ContainsSubstring("/a.toml: Not a directory; name an existing folder"));
  CHECK_THAT(server_mistake("module_path = [\"\"]"), ContainsSubstring("is an empty path; name a folder"));
}

TEST_CASE("control sockets that others than their owner could use") {
  CHECK(server_mistake("control = \"unix:@ashlar\"") ==
        ":2:11: key \"control\": an abstract socket is open to everybody; write \"unix:/run/ashlar/control.sock\"");
  CHECK_THAT(server_mistake("control = \"tcp:127.0.0.1:1\""),
             StartsWith(":2:11: key \"control\": is for unix sockets"));
}

TEST_CASE("missing export name") {
  CHECK(mistake("\n[[export]]\n[export.plugin]\ntype = \"file\"\n") ==
        ":2:1: key \"name\": missing in this [[export]]; add name = \"disk\"");
}

TEST_CASE("missing plugin") {
  CHECK(mistake("[[export]]\nname = \"a\"\n") ==
        ":1:1: key \"plugin\": missing in this [[export]]; add an [export.plugin] with a type, such as \"file\"");
}

TEST_CASE("missing type") {
  CHECK(mistake("[[export]]\nname = \"a\"\n  [export.plugin]\npath = \"b\"\n") ==
        ":3:3: key \"type\": missing in this [export.plugin]; add the name of a module (see `ashlar list`)");
  CHECK_THAT(mistake("[[export]]\nname = \"a\"\n[[export.filter]]\n[export.plugin]\ntype=\"file\"\n"),
             StartsWith(":3:1: key \"type\": missing in this [[export.filter]]"));
  CHECK_THAT(mistake("[[export]]\nname = \"a\"\nplugin = { type = \"\" }\n"),
             StartsWith(":3:19: key \"type\": is empty"));
}

TEST_CASE("duplicate export name") {
  CHECK(mistake(std::string(disk) + "\n[[export]]\n  name = \"disk\"\nplugin = { type = \"null\" }\n") ==
        ":7:10: key \"name\": \"disk\" is the name of the export in line 1 too; name one of them differently");
}

TEST_CASE("no exports") {
  const std::string text =
      "key \"export\": missing, there is nothing to serve; add an [[export]] with a name and an [export.plugin]";
  CHECK(mistake("[server]\nworkers = 1\n") == ":1:1: " + text);
  CHECK(mistake("export = []\n") == ":1:1: " + text);
}

TEST_CASE("empty file") {
  CHECK_THAT(mistake(""), StartsWith(":1:1: key \"export\": missing, there is nothing to serve"));
}

TEST_CASE("two plugins in one export") {
  const std::string text = "key \"plugin\": given twice in one [[export]]; keep exactly one [export.plugin]";
  const std::string start = "[[export]]\nname = \"a\"\n";
  CHECK(mistake(start + "[export.plugin]\ntype = \"a\"\n  [export.plugin]\ntype = \"b\"\n") == ":5:3: " + text);
  CHECK(mistake(start + "[[export.plugin]]\ntype = \"a\"\n[[export.plugin]]\ntype = \"b\"\n") == ":5:1: " + text);
  CHECK(mistake(start + "[export.plugin]\ntype = \"a\"\n[[export.plugin]]\ntype = \"b\"\n") == ":5:1: " + text);
  CHECK(mistake(start + "[[export.plugin]]\ntype = \"a\"\n") ==
        ":3:1: key \"plugin\": found an array, wanted a table; write [export.plugin], with one bracket");
}

TEST_CASE("one bracket where two belong") {
  CHECK_THAT(mistake("[[export]]\nname=\"a\"\n[export.filter]\ntype=\"log\"\n[export.plugin]\ntype=\"file\"\n"),
             StartsWith(":3:1: key \"filter\": found a table, wanted an array of tables; write [[export.filter]]"));
  CHECK_THAT(mistake("[[export]]\nname=\"a\"\n[export.filter]\ntype=\"a\"\n[export.filter]\ntype=\"b\"\n"),
             StartsWith(":5:1: key \"filter\": given twice as a table; write [[export.filter]], once per filter"));
  CHECK_THAT(mistake("[export]\nname=\"a\"\n[export]\n"),
             StartsWith(":3:1: key \"export\": given twice as a table; write [[export]], once per export"));
  CHECK_THAT(mistake("[export.plugin]\ntype=\"a\"\n[[export]]\nname=\"a\"\n"),
             StartsWith(":3:1: key \"export\": is a table already; write [[export]] for all exports"));
}

TEST_CASE("syntax error") {
  const std::string what = mistake("[server]\nworkers = \n");
  CHECK_THAT(what, StartsWith(":2:11: syntax error: "));
  CHECK_THAT(what, EndsWith("; correct the TOML there"));
  CHECK_THAT(mistake("[server]\nworkers = 1\nworkers = 2\n"), StartsWith(":3:11: syntax error: "));
  CHECK_THAT(mistake("[[export]\n"), StartsWith(":1:10: syntax error: "));
  CHECK_THAT(mistake("[[export]]\nname = \"a"), StartsWith(":2:"));
  CHECK_THAT(mistake("ELF\x01\x02"), ContainsSubstring("syntax error: "));
}

TEST_CASE("text that is not UTF-8") {
  for (const char* bytes : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"})
    CHECK_THAT(mistake(std::string("[[export]]\nname = \"") + bytes + "\"\n"), ContainsSubstring("syntax error: "));
}

TEST_CASE("a name or description that is too long") {
  const std::string text(4097, 'x');
  CHECK(mistake("[[export]]\nname = \"" + text + "\"\nplugin = { type = \"file\" }\n") ==
        ":2:8: key \"name\": is 4097 bytes long; NBD takes up to 4096");
  CHECK(mistake("[[export]]\nname = \"a\"\ndescription = \"" + text + "\"\nplugin = { type = \"file\" }\n") ==
        ":3:15: key \"description\": is 4097 bytes long; NBD takes up to 4096");
}

TEST_CASE("a NUL in a text, which would cut it short") {
  CHECK(mistake("[[export]]\nname = \"a\\u0000b\"\nplugin = { type = \"file\" }\n") ==
        ":2:8: key \"name\": has a NUL character; take it out");
}

TEST_CASE("a key with a line break does not break the line") {
  CHECK_THAT(mistake("\"a\\nb\" = 1\n"), StartsWith(":1:1: key \"a\\nb\": unknown"));
}

TEST_CASE("a mistake is one line, whatever its file is called and its text says") {
  CHECK(ConfigError("a\nb.toml", {3, 4}, "what\nelse").what() == std::string("a\\nb.toml:3:4: what\\nelse"));
  CHECK(ConfigError("a.toml", {}, "what").what() == std::string("a.toml: what"));
  CHECK(ConfigError({}, {}, "what\nelse").what() == std::string("what\\nelse"));
}

TEST_CASE("deep nesting is refused before it can exhaust the stack") {
  const auto dotted = [](int parts, const std::string& part) {
    std::string key = part;
    for (int i = 1; i < parts; ++i) key.append(1, '.').append(part);
    return key;
  };
  CHECK_THAT(mistake("\n" + dotted(500'000, "a") + " = 1\n"), StartsWith(":2:1: syntax error: a key of more than 32"));
  CHECK_THAT(mistake("[" + dotted(500'000, "a") + "]\n"), StartsWith(":1:1: syntax error: a key of more than 32"));
  CHECK_THAT(mistake(dotted(100'000, "\"a=\"") + " = 1\n"), StartsWith(":1:1: syntax error: a key of more than 32"));
  CHECK_THAT(mistake("x = '''\n'''\n" + dotted(100'000, "' '") + " = 1\n"), StartsWith(":3:1: syntax error: a key"));
  CHECK_THAT(mistake("x = " + std::string(100'000, '[')), ContainsSubstring("syntax error: "));
  CHECK(mistake(std::string(disk) + "a = \"" + std::string(100, '.') + "\" # " + std::string(100, '.') + "\n") ==
        "none");
  CHECK(mistake(std::string(disk) + "a = \"\"\"\n" + std::string(100, '.') + "\"\"\"\n") == "none");
}

TEST_CASE("a file that cannot be read") {
  const TempFolder folder;
  const auto read = [&](const std::string& name) {
    try {
      read_config(folder.path() / name);
      return std::string("none");
    } catch (const ConfigError& e) {
      return std::string(e.what()).substr((folder.path() / name).string().size());
    }
  };
  CHECK(read("nothing.toml") == ": cannot read the config: No such file or directory");
  std::filesystem::create_directory(folder.path() / "folder.toml");
  CHECK(read("folder.toml") == ": cannot read the config: Is a directory");
  folder.write("large.toml", std::string((16 << 20) + 1, '#'));
  CHECK(read("large.toml") == ": cannot read the config: larger than 16 MiB");
}

TEST_CASE("templates: one star in the name, and what is for them alone") {
  const auto named = [](const std::string& name, const std::string& line = "") {
    return mistake("[[export]]\nname = \"" + name + "\"\n" + line + "\n[export.plugin]\ntype = \"file\"\n");
  };
  CHECK(named("images/*", "follow_links = true") == "none");
  CHECK(named("*/*") == ":2:8: key \"name\": \"*/*\" has more than one *; one can stand for a name");
  CHECK(named("disk", "follow_links = true") ==
        ":3:1: key \"follow_links\": is for a template, an export with a * in its name; take it out");
  CHECK(mistake("[[export]]\nname = \"a*\"\nfilter = [{ type = \"trace\", path = \"t\" }]\nplugin = { type = "
                "\"file\" }\n") ==
        ":3:36: key \"path\": \"t\" would be the trace of all exports that \"a*\" stands for; put a * into it");
  CHECK(mistake("[[export]]\nname = \"a*\"\nfilter = [{ type = \"cow\", path = \"t\" }]\nplugin = { type = "
                "\"file\" }\n") ==
        ":3:34: key \"path\": \"t\" would be the overlay of all exports that \"a*\" stands for; put a * into it");
}

TEST_CASE("a disk is no trace's file, whichever export it is of") {
  const auto traced = [](const std::string& path) {
    return mistake("[[export]]\nname = \"a\"\nfilter = [{ type = \"trace\", path = \"" + path +
                   "\" }]\nplugin = { type = \"memory\", size = \"1M\" }\n"
                   "[[export]]\nname = \"b\"\nplugin = { type = \"file\", path = \"x/../disk\" }\n");
  };
  CHECK(traced("disk") ==
        ":3:36: key \"path\": \"disk\" is the disk of the plugin at line 7; give the trace a file of its own");
  CHECK(traced("disk.trace") == "none");
}

TEST_CASE("a part of a disk, or an overlay, is no trace's file") {
  const auto traced = [](const std::string& path) {
    return mistake("[[export]]\nname = \"a\"\nfilter = [{ type = \"trace\", path = \"" + path +
                   "\" }]\nplugin = { type = \"split\", paths = [\"x/../first\",\n\"second\"] }\n"
                   "[[export]]\nname = \"b\"\nfilter = [{ type = \"cow\", scope = \"export\", path = \"overlay\" }]\n"
                   "plugin = { type = \"memory\", size = \"1M\" }\n");
  };
  const auto refused = [](const std::string& path, const std::string& what) {
    return ":3:36: key \"path\": \"" + path + "\" is " + what + "; give the trace a file of its own";
  };
  CHECK(traced("first") == refused("first", "a part of the disk of the plugin at line 4"));
  CHECK(traced("second") == refused("second", "a part of the disk of the plugin at line 5"));
  CHECK(traced("overlay") == refused("overlay", "the overlay of the layer at line 8"));
  CHECK(traced("disk.trace") == "none");
}

TEST_CASE("an address is taken by one of listen, control and metrics") {
  CHECK(server_mistake("listen = [\"unix:/a\", \"unix:/b\"]\ncontrol = \"unix:/b\"") ==
        ":3:11: key \"control\": \"unix:/b\" is an address of listen, too; take another one");
  CHECK(server_mistake("metrics = \"tcp:127.0.0.1:10809\"") ==
        ":2:11: key \"metrics\": \"tcp:127.0.0.1:10809\" is an address of listen, too; take another one");
  CHECK(server_mistake("control = \"unix:/a\"\nmetrics = { unix = \"/a\" }") ==
        ":3:11: key \"metrics\": \"unix:/a\" is an address of control, too; take another one");
  CHECK(server_mistake("listen = [\"tcp::0\"]\nmetrics = \"tcp::0\"") == "none");
}
