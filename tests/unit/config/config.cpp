// A config without mistakes, and what it becomes.
#include "config/config.hpp"

#include <chrono>

#include "catch.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;
using namespace std::chrono_literals;

namespace {

constexpr const char* least = "[[export]]\nname = \"disk\"\n[export.plugin]\ntype = \"file\"\n";

Config read(const TempFolder& folder, const std::string& text) { return read_config(folder.write("a.toml", text)); }

template <class T>
T value(const LayerConfig& layer, std::size_t index) {
  return std::get<T>(layer.parameters.at(index).node.value);
}

}  // namespace

TEST_CASE("the least config has the documented defaults") {
  const TempFolder folder;
  const Config config = read(folder, least);
  CHECK(config.file == folder.path() / "a.toml");
  REQUIRE(config.server.listen.size() == 1);
  CHECK(config.server.listen[0].text == "tcp:127.0.0.1:10809");
  CHECK(config.server.listen[0].port == 10809);
  CHECK(config.server.log_level == LogLevel::info);
  CHECK(config.server.module_path.empty());
  CHECK(config.server.max_connections == 4096);
  CHECK(config.server.handshake_timeout == 10s);
  CHECK_FALSE(config.server.max_payload);
  CHECK(config.server.workers == 256);
  CHECK(config.server.max_memory == 1u << 30);
  CHECK_FALSE(config.server.busy_poll);
  CHECK(config.server.keepalive == 60s);
  CHECK(config.server.sandbox.mode == SandboxConfig::Mode::automatic);
  CHECK_FALSE(config.server.sandbox.connect);
  CHECK_FALSE(config.server.allow);
  REQUIRE(config.exports.size() == 1);
  CHECK(config.exports[0].name == "disk");
  CHECK(config.exports[0].description.empty());
  CHECK_FALSE(config.exports[0].read_only);
  CHECK_FALSE(config.exports[0].optional);
  CHECK_FALSE(config.exports[0].exclusive);
  CHECK_FALSE(config.exports[0].allow);
  CHECK(config.exports[0].zero_emulation);
  CHECK(config.exports[0].filters.empty());
  CHECK(config.exports[0].plugin.type == "file");
  CHECK(config.exports[0].plugin.parameters.empty());
}

TEST_CASE("every key of [server] is read") {
  const TempFolder folder;
  std::filesystem::create_directory(folder.path() / "modules");
  const Config config = read(folder, std::string(R"([server]
listen = ["unix:a.sock", "tcp:[::1]:0"]
log_level = "trace"
module_path = ["modules", "/usr"]
max_connections = 7
handshake_timeout = 0.25
max_payload = "1M"
workers = 3
max_memory = "2G"
busy_poll = 50
keepalive = 5
)") + least);
  REQUIRE(config.server.listen.size() == 2);
  CHECK(config.server.listen[0].path == folder.path() / "a.sock");
  CHECK(config.server.listen[1].host == "::1");
  CHECK(config.server.log_level == LogLevel::trace);
  CHECK(config.server.module_path == std::vector<std::filesystem::path>{folder.path() / "modules", "/usr"});
  CHECK(config.server.max_connections == 7);
  CHECK(config.server.handshake_timeout == 250ms);
  CHECK(config.server.max_payload == 1u << 20);
  CHECK(config.server.workers == 3);
  CHECK(config.server.max_memory == std::uint64_t{2} << 30);
  CHECK(config.server.busy_poll == 50us);
  CHECK(config.server.keepalive == 5s);
}

TEST_CASE("limits are read at both of their ends") {
  const TempFolder folder;
  const auto server = [&](const std::string& line) { return read(folder, "[server]\n" + line + "\n" + least).server; };
  CHECK(server("max_connections = 1").max_connections == 1);
  CHECK(server("max_connections = 1_000_000").max_connections == 1'000'000);
  CHECK(server("max_payload = 65536").max_payload == 65536);
  CHECK(server("max_payload = \"64M\"").max_payload == 64u << 20);
  CHECK(server("workers = 4096").workers == 4096);
  CHECK(server("sandbox = \"off\"").sandbox.mode == SandboxConfig::Mode::off);
  const SandboxConfig sandbox =
      server("sandbox = { mode = \"require\", connect = true, read = [\"/etc\"], write = [\"/\"] }").sandbox;
  CHECK(sandbox.mode == SandboxConfig::Mode::require);
  CHECK(sandbox.connect);
  CHECK(sandbox.read == std::vector<std::filesystem::path>{"/etc"});
  CHECK(sandbox.write == std::vector<std::filesystem::path>{"/"});
  CHECK(server("keepalive = 0").keepalive == 0s);
  CHECK(server("keepalive = 32767").keepalive == 32767s);
  CHECK(server("handshake_timeout = 30").handshake_timeout == 30s);
  CHECK(server("handshake_timeout = 0.001").handshake_timeout == 1ms);
  CHECK(server("handshake_timeout = 86400").handshake_timeout == 24h);
}

TEST_CASE("an address may be a table, which says more of a socket's file") {
  const TempFolder folder;
  const auto listen = read(folder, std::string(R"([server]
listen = [
  { unix = "a.sock", mode = "0660", owner = "root", group = "daemon" },
  { mode = "600", group = "123456", owner = 7, unix = "/run/b.sock" },
  { unix = "c.sock" },
  { tcp = "[::1]:0" },
  { unix = "@d" },
  "unix:@e",
  "fd:f",
  { fd = "g" },
]
)") + least)
                          .server.listen;
  REQUIRE(listen.size() == 8);
  CHECK(listen[0].text == "unix:a.sock");
  CHECK(listen[0].path == folder.path() / "a.sock");
  CHECK(listen[0].mode == mode_t{0660});
  CHECK(listen[0].owner == uid_t{0});
  CHECK(listen[0].group == gid_t{1});
  CHECK(listen[1].path == "/run/b.sock");
  CHECK(listen[1].mode == mode_t{0600});
  CHECK(listen[1].owner == uid_t{7});
  CHECK(listen[1].group == gid_t{123456});
  CHECK(listen[2].path == folder.path() / "c.sock");
  CHECK_FALSE(listen[2].mode);
  CHECK_FALSE(listen[2].owner);
  CHECK_FALSE(listen[2].group);
  CHECK(listen[3].text == "tcp:[::1]:0");
  CHECK(listen[3].host == "::1");
  CHECK(listen[4].abstract_name == "d");
  CHECK(listen[4].path.empty());
  CHECK(listen[5].abstract_name == "e");
  CHECK(listen[6].handed_name == "f");
  CHECK(listen[7].handed_name == "g");
}

TEST_CASE("addresses may be tables of their own") {
  const TempFolder folder;
  const auto listen =
      read(folder, std::string("[[server.listen]]\nunix = \"a\"\n[[server.listen]]\ntcp = \":1\"\n") + least)
          .server.listen;
  REQUIRE(listen.size() == 2);
  CHECK(listen[0].path == folder.path() / "a");
  CHECK(listen[1].port == 1);
}

TEST_CASE("exports and their layers keep the order of the file, and know their places") {
  const TempFolder folder;
  const Config config = read(folder, R"([[export]]
name = "disk"
description = "ünits"
read_only = true
optional = true
zero_emulation = false

  [[export.filter]]
  type = "log"

  [[export.filter]]
  type = "align"
  policy = "error"
  block_size = 4096
  factor = 1.5
  exact = true

  [export.plugin]
  type = "./mine.so"

[[export]]
name = "second"
filter = []
plugin = { type = "memory", size = "1G" }
)");
  REQUIRE(config.exports.size() == 2);
  const ExportConfig& disk = config.exports[0];
  CHECK(disk.place.line == 1);
  CHECK(disk.description == "ünits");
  CHECK(disk.read_only);
  CHECK(disk.optional);
  CHECK_FALSE(disk.zero_emulation);
  REQUIRE(disk.filters.size() == 2);
  CHECK(disk.filters[0].type == "log");
  CHECK(disk.filters[0].place.line == 9);
  CHECK(disk.filters[0].place.column == 10);
  const LayerConfig& align = disk.filters[1];
  REQUIRE(align.parameters.size() == 4);
  CHECK(align.parameters[0].key == "policy");
  CHECK(align.parameters[1].key == "block_size");
  CHECK(align.parameters[1].place.line == 14);
  CHECK(align.parameters[1].place.column == 3);
  CHECK(align.parameters[1].node.place.column == 16);
  CHECK(value<std::string>(align, 0) == "error");
  CHECK(value<std::int64_t>(align, 1) == 4096);
  CHECK(value<double>(align, 2) == 1.5);
  CHECK(value<bool>(align, 3));
  CHECK(disk.plugin.type == (folder.path() / "mine.so").string());
  CHECK(config.exports[1].filters.empty());
  CHECK(value<std::string>(config.exports[1].plugin, 0) == "1G");
}

TEST_CASE("a name and a description of 4096 bytes, and an empty name, are read") {
  const TempFolder folder;
  const std::string longest(4096, 'x');
  const Config config = read(folder, "[[export]]\nname = \"" + longest + "\"\ndescription = \"" + longest +
                                         "\"\nplugin = { type = \"file\" }\n[[export]]\nname = \"\"\n"
                                         "plugin = { type = \"file\" }\n");
  CHECK(config.exports[0].name == longest);
  CHECK(config.exports[0].description == longest);
  CHECK(config.exports[1].name.empty());
}

TEST_CASE("an image becomes the default export over the file plugin") {
  const Config config = config_for_image("disk.img");
  CHECK(config.file == "disk.img");
  CHECK(config.is_image);
  CHECK(config.server.listen.at(0).text == "tcp:127.0.0.1:10809");
  REQUIRE(config.exports.size() == 1);
  CHECK(config.exports[0].name.empty());
  CHECK(config.exports[0].plugin.type == "file");
  REQUIRE(config.exports[0].plugin.parameters.size() == 1);
  CHECK(config.exports[0].plugin.parameters[0].key == "path");
  CHECK(value<std::string>(config.exports[0].plugin, 0) == (std::filesystem::current_path() / "disk.img").string());
}
