#include "module/values.hpp"

#include <vector>

#include "catch.hpp"

using namespace ashlar::host;

namespace {

// A plugin "file" with a row of each kind that matters here.
struct Module {
  ashlar_param rows[4] = {
      {sizeof(ashlar_param), ASHLAR_PARAM_PATH, "path", "the image", nullptr, 1, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_SIZE, "block_size", "bytes", "4K", 0, 0, 512, 65536, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_STRING, "label", "a text", nullptr, 0, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_BOOL, "direct", "no cache", "true", 0, 0, 0, 0, nullptr}};
  const ashlar_param* pointers[4] = {&rows[0], &rows[1], &rows[2], &rows[3]};
  ashlar_module table{};
  Module() {
    table.kind = ASHLAR_PLUGIN;
    table.name = "file";
    table.n_params = 4;
    table.params = pointers;
  }
};

Config config() {
  Config out;
  out.file = "/etc/ashlar/a.toml";
  out.folder = "/etc/ashlar";
  return out;
}

LayerConfig layer(std::vector<ConfigParameter> parameters) {
  LayerConfig out;
  out.type = "file";
  out.place = {5, 8};
  out.parameters = std::move(parameters);
  return out;
}

ConfigParameter given(const char* key, ConfigValue value) { return {key, {6, 1}, {6, 9}, std::move(value)}; }

std::string mistake(std::vector<ConfigParameter> parameters, const ashlar_module& table) {
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
  REQUIRE(values.size() == 4);
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
  CHECK(mistake({given("blocksize", std::int64_t{1})}, module.table) ==
        "/etc/ashlar/a.toml:6:1: key \"blocksize\": unknown to the plugin \"file\"; did you mean \"block_size\"?");
  CHECK(
      mistake({given("colour", std::int64_t{1})}, module.table) ==
      "/etc/ashlar/a.toml:6:1: key \"colour\": unknown to the plugin \"file\"; known: path, block_size, label, direct");
}

TEST_CASE("a key of the export below the plugin's header") {
  const Module module;
  for (const std::string key : {"name", "description", "read_only", "optional", "zero_emulation"})
    CHECK(mistake({given(key.c_str(), std::string("x"))}, module.table) ==
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
