#include "module/values.hpp"

#include <vector>

#include "catch.hpp"
#include "unit/temp_folder.hpp"

using namespace ashlar::host;

namespace {

// A plugin "file" with a row of each kind that matters here.
struct Module {
  static constexpr std::uint32_t count = 8;
  ashlar_param rows[count] = {
      {sizeof(ashlar_param), ASHLAR_PARAM_PATH, "path", "the image", nullptr, 1, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_SIZE, "block_size", "bytes", "4K", 0, 0, 512, 65536, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_STRING, "label", "a text", nullptr, 0, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_BOOL, "direct", "no cache", "true", 0, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_LIST, "names", "paths", nullptr, 0, ASHLAR_PARAM_PATH, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_LIST, "limits", "bytes", nullptr, 0, ASHLAR_PARAM_SIZE, 1, 4096, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_SECRET, "key", "a key", nullptr, 0, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_LIST, "options", "texts", nullptr, 0, ASHLAR_PARAM_STRING, 0, 0, nullptr}};
  const ashlar_param* pointers[count] = {};
  ashlar_module table{};
  Module() {
    table.kind = ASHLAR_PLUGIN;
    table.name = "file";
    table.n_params = count;
    for (std::uint32_t i = 0; i < count; ++i) pointers[i] = &rows[i];
    table.params = pointers;
  }
};

Config config() {
  Config out;
  out.file = "/etc/ashlar/a.toml";
  out.folder = "/etc/ashlar";
  return out;
}

LayerConfig layer(TomlTable parameters) {
  LayerConfig out;
  out.type = "file";
  out.place = {5, 8};
  out.parameters = std::move(parameters);
  return out;
}

TomlEntry given(const char* key, TomlValue value) { return {key, {6, 1}, {{6, 9}, std::move(value)}}; }

std::string mistake(TomlTable parameters, const ashlar_module& table) {
  try {
    const Values values(config(), layer(std::move(parameters)), table);
    return "none";
  } catch (const ConfigError& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("values stand in the order of the table, defaults filled in") {
  const Module module;
  const Values values(config(), layer({given("block_size", std::string("1K")), given("path", std::string("a.img"))}),
                      module.table);
  REQUIRE(values.size() == Module::count);
  const ashlar_value* const* v = values.data();
  CHECK(v[0]->set == 1);
  CHECK(v[0]->type == ASHLAR_PARAM_PATH);
  CHECK(v[0]->text == std::string("/etc/ashlar/a.img"));
  CHECK(v[1]->set == 1);
  CHECK(v[1]->number == 1024);
  CHECK(v[1]->text == nullptr);
  CHECK(v[2]->set == 0);
  CHECK(v[2]->number == 0);
  CHECK(v[2]->text == nullptr);
  CHECK(v[3]->set == 1);
  CHECK(v[3]->number == 1);
  for (std::uint32_t i = 4; i < Module::count; ++i) {
    CHECK(v[i]->set == 0);
    CHECK(v[i]->items == nullptr);
  }
}

TEST_CASE("a list has its items in the order given, each as its type is") {
  const Module module;
  const TomlArray names{{{7, 1}, std::string("b.img")}, {{7, 9}, std::string("/a.img")}};
  const TomlArray limits{{{8, 1}, std::string("1K")}, {{8, 7}, std::int64_t{7}}};
  const Values values(
      config(), layer({given("path", std::string("a")), given("names", names), given("limits", limits)}), module.table);
  const ashlar_value& paths = *values.data()[4];
  CHECK(paths.type == ASHLAR_PARAM_LIST);
  CHECK(paths.set == 1);
  CHECK(paths.text == nullptr);
  REQUIRE(paths.number == 2);
  CHECK(paths.items[0]->type == ASHLAR_PARAM_PATH);
  CHECK(paths.items[0]->text == std::string("/etc/ashlar/b.img"));
  CHECK(paths.items[1]->text == std::string("/a.img"));
  const ashlar_value& sizes = *values.data()[5];
  REQUIRE(sizes.number == 2);
  CHECK(sizes.items[0]->number == 1024);
  CHECK(sizes.items[0]->text == nullptr);
  CHECK(sizes.items[1]->number == 7);
}

TEST_CASE("an empty list is set, and has an address") {
  const Module module;
  const Values values(config(), layer({given("path", std::string("a")), given("names", TomlArray{})}), module.table);
  CHECK(values.data()[4]->set == 1);
  CHECK(values.data()[4]->number == 0);
  CHECK(values.data()[4]->items != nullptr);
}

TEST_CASE("a table for a list of texts is one item key=value for each entry, in the order of the file") {
  const Module module;
  const TomlTable options{{"rbd_cache", {7, 1}, {{7, 13}, false}},
                          {"mon_host", {8, 1}, {{8, 12}, std::string("192.0.2.1=a")}},
                          {"rados_osd_op_timeout", {9, 1}, {{9, 24}, std::int64_t{-5}}},
                          {"log_file", {10, 1}, {{10, 12}, std::string()}},
                          {"debug rbd", {11, 1}, {{11, 15}, true}}};
  const Values values(config(), layer({given("path", std::string("a")), given("options", options)}), module.table);
  const ashlar_value& list = *values.data()[7];
  CHECK(list.type == ASHLAR_PARAM_LIST);
  CHECK(list.set == 1);
  REQUIRE(list.number == 5);
  CHECK(list.items[0]->type == ASHLAR_PARAM_STRING);
  CHECK(list.items[0]->text == std::string("rbd_cache=false"));
  CHECK(list.items[1]->text == std::string("mon_host=192.0.2.1=a"));
  CHECK(list.items[2]->text == std::string("rados_osd_op_timeout=-5"));
  CHECK(list.items[3]->text == std::string("log_file="));
  CHECK(list.items[4]->text == std::string("debug rbd=true"));

  const Values empty(config(), layer({given("path", std::string("a")), given("options", TomlTable{})}), module.table);
  CHECK(empty.data()[7]->set == 1);
  CHECK(empty.data()[7]->number == 0);
}

TEST_CASE("every entry of a table for a list of texts that cannot be an item is told, with its place") {
  const Module module;
  const TomlTable options{{"a", {7, 1}, {{7, 5}, TomlTable{{"b", {7, 5}, {{7, 9}, true}}}}},
                          {"good", {8, 1}, {{8, 8}, true}},
                          {"c", {9, 1}, {{9, 5}, TomlArray{}}},
                          {"d", {10, 1}, {{10, 5}, 0.5}},
                          {"e=f", {11, 1}, {{11, 9}, true}},
                          {"", {12, 1}, {{12, 6}, true}},
                          {"g", {13, 1}, {{13, 5}, std::string("\0", 1)}}};
  const std::string wanted = ", wanted a string, an integer or a boolean; write a string in quotes\n";
  CHECK(
      mistake({given("path", std::string("a")), given("options", options)}, module.table) ==
      "/etc/ashlar/a.toml:7:5: key \"a\": found a table" + wanted +
          "/etc/ashlar/a.toml:9:5: key \"c\": found an array" + wanted +
          "/etc/ashlar/a.toml:10:5: key \"d\": found a float" + wanted +
          "/etc/ashlar/a.toml:11:1: key \"e=f\": is no name of a pair, which ends at the first =; give it one without\n"
          "/etc/ashlar/a.toml:12:1: key \"\": is no name of a pair, which ends at the first =; give it one without\n"
          "/etc/ashlar/a.toml:13:5: key \"options\": has a NUL character; take it out");
  CHECK(mistake({given("path", std::string("a")), given("names", TomlTable{})}, module.table) ==
        "/etc/ashlar/a.toml:6:9: key \"names\": found a table, wanted an array; write [ ] around its items");
}

TEST_CASE("every item of a list that is wrong is told, with its place") {
  const Module module;
  const TomlArray limits{{{8, 1}, std::int64_t{0}}, {{8, 4}, std::int64_t{1}}, {{8, 7}, true}};
  CHECK(mistake({given("path", std::string("a")), given("limits", limits)}, module.table) ==
        "/etc/ashlar/a.toml:8:1: key \"limits\": 0 is out of range; give 1..4K\n"
        "/etc/ashlar/a.toml:8:7: key \"limits\": found a boolean, wanted a size; "
        "write bytes, or a string such as \"64K\"");
  CHECK(mistake({given("path", std::string("a")), given("limits", std::int64_t{1})}, module.table) ==
        "/etc/ashlar/a.toml:6:9: key \"limits\": found an integer, wanted an array; write [ ] around its items");
  CHECK(mistake({given("path", TomlArray{})}, module.table) ==
        "/etc/ashlar/a.toml:6:9: key \"path\": found an array, wanted a string; write it in quotes");
  CHECK(mistake({given("path", TomlDate{})}, module.table) ==
        "/etc/ashlar/a.toml:6:9: key \"path\": found a date or time, wanted a string; write it in quotes");
}

TEST_CASE("all mistakes in a layer's parameters are told, in the order of the file") {
  const Module module;
  const auto at = [](std::uint32_t line, const char* key, TomlValue value) {
    return TomlEntry{key, {line, 1}, {{line, 9}, std::move(value)}};
  };
  CHECK(mistake({at(6, "direct", std::int64_t{1}), at(7, "colour", true), at(8, "block_size", std::int64_t{1})},
                module.table) ==
        "/etc/ashlar/a.toml:5:8: key \"path\": missing for the plugin \"file\"; add path = … (path: the image)\n"
        "/etc/ashlar/a.toml:6:9: key \"direct\": found an integer, wanted a boolean; "
        "write true or false, without quotes\n"
        "/etc/ashlar/a.toml:7:1: key \"colour\": unknown to the plugin \"file\"; "
        "known: path, block_size, label, direct, names, limits, key, options\n"
        "/etc/ashlar/a.toml:8:9: key \"block_size\": 1 is out of range; give 512..64K");
}

TEST_CASE("what a mistyped parameter stands for is not told to be missing beside it") {
  const Module module;
  CHECK(mistake({given("pth", std::string("a"))}, module.table) ==
        "/etc/ashlar/a.toml:6:1: key \"pth\": unknown to the plugin \"file\"; did you mean \"path\"?");
}

TEST_CASE("a secret is the module's, and known by where it is from") {
  const Module module;
  const TempFolder folder;
  const auto file = folder.write("key", "s3cret\n");
  const TomlTable from_file{{"file", {6, 11}, {{6, 18}, file.string()}}};
  const Values values(config(), layer({given("path", std::string("a")), given("key", from_file)}), module.table);
  const ashlar_value& key = *values.data()[6];
  CHECK(key.type == ASHLAR_PARAM_SECRET);
  CHECK(key.set == 1);
  CHECK(key.text == std::string("s3cret"));
  CHECK(values.source_of(key) == "file \"" + file.string() + "\"");
  CHECK(values.secrets() == std::vector<std::string>{"s3cret"});
  const Values plain(config(), layer({given("path", std::string("a")), given("key", std::string("x"))}), module.table);
  CHECK(plain.data()[6]->text == std::string("x"));
  CHECK(plain.source_of(*plain.data()[6]).empty());
}

TEST_CASE("a module without parameters has no values") {
  ashlar_module table{};
  table.kind = ASHLAR_FILTER;
  table.name = "log";
  CHECK(Values(config(), layer({}), table).size() == 0);
  CHECK(mistake({given("level", true)}, table) ==
        "/etc/ashlar/a.toml:6:1: key \"level\": unknown to the filter \"log\", which takes no parameters; take it out");
}

TEST_CASE("unknown parameter") {
  const Module module;
  CHECK(mistake({given("blocksize", std::int64_t{1}), given("path", std::string("a"))}, module.table) ==
        "/etc/ashlar/a.toml:6:1: key \"blocksize\": unknown to the plugin \"file\"; did you mean \"block_size\"?");
  CHECK(mistake({given("colour", std::int64_t{1}), given("path", std::string("a"))}, module.table) ==
        "/etc/ashlar/a.toml:6:1: key \"colour\": unknown to the plugin \"file\"; "
        "known: path, block_size, label, direct, names, limits, key, options");
}

TEST_CASE("a key of the export below the plugin's header") {
  const Module module;
  for (const std::string key : {"name", "description", "read_only", "optional", "zero_emulation", "filter", "plugin"})
    CHECK(mistake({given(key.c_str(), std::string("x")), given("path", std::string("a"))}, module.table) ==
          "/etc/ashlar/a.toml:6:1: key \"" + key +
              "\": unknown to the plugin \"file\"; if the export is meant, put it right below [[export]]");
}

TEST_CASE("missing parameter") {
  const Module module;
  CHECK(mistake({}, module.table) ==
        "/etc/ashlar/a.toml:5:8: key \"path\": missing for the plugin \"file\"; add path = … (path: the image)");
}

TEST_CASE("parameter of the wrong type") {
  const Module module;
  CHECK(mistake({given("path", std::int64_t{1})}, module.table) ==
        "/etc/ashlar/a.toml:6:9: key \"path\": found an integer, wanted a string; write it in quotes");
}

TEST_CASE("parameter out of range") {
  const Module module;
  CHECK(mistake({given("path", std::string("a")), given("block_size", std::int64_t{100})}, module.table) ==
        "/etc/ashlar/a.toml:6:9: key \"block_size\": 100 is out of range; give 512..64K");
}
