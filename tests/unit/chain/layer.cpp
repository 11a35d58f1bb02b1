// A layer's parameters in its errors: paths that the client may be told without their folders, secrets that nobody is
// told.
#include "chain/layer.hpp"

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

class TableLibrary final : public Library {
 public:
  explicit TableLibrary(const ashlar_module& table) : Library(&table, "/disk.so") {}
};

// A plugin with parameters of the kinds that hold texts.
struct Texts {
  ashlar_param rows[3] = {
      {sizeof(ashlar_param), ASHLAR_PARAM_PATH, "path", "", nullptr, 0, 0, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_LIST, "parts", "", nullptr, 0, ASHLAR_PARAM_PATH, 0, 0, nullptr},
      {sizeof(ashlar_param), ASHLAR_PARAM_SECRET, "key", "", nullptr, 0, 0, 0, 0, nullptr}};
  const ashlar_param* pointers[3] = {&rows[0], &rows[1], &rows[2]};
  ashlar_module table{};
  LogText log;
  std::shared_ptr<Activity> activity = Activity::make();
  Config config;
  ExportConfig own;
  std::unique_ptr<Layer> layer;

  Texts() {
    table.struct_size = sizeof table;
    table.kind = ASHLAR_PLUGIN;
    table.name = "disk";
    table.n_params = 3;
    table.params = pointers;
    config.folder = "/srv";
    LayerConfig given;
    given.parameters = {{"path", {}, {{}, std::string("a b")}},
                        {"parts", {}, {{}, TomlArray{{{}, std::string("/x/1")}, {{}, std::string("2")}}}},
                        {"key", {}, {{}, std::string("/s3cret\nkey")}}};
    layer = std::make_unique<Layer>(std::make_shared<const TableLibrary>(table), config, own, given, 1, false,
                                    log.logger(), *activity);
  }
};

}  // namespace

TEST_CASE("the paths that a layer was given are known to its errors, those in lists too, and no secret") {
  Texts texts;
  CHECK(texts.layer->at_fault("gone").facts().paths == std::vector<std::string>{"/srv/a b", "/x/1", "/srv/2"});
}

TEST_CASE("an error of the module does not hold its secrets, though they were made one line") {
  Texts texts;
  ErrorText why;
  std::snprintf(why.receiver()->text, why.receiver()->capacity, "the key is /s3cret\nkey, '/s3cret key' /s3cret\\nkey");
  CHECK(texts.layer->refused(EACCES, why).facts().cause == "the key is (secret), '(secret)' (secret)");
}

}  // namespace ashlar::host
