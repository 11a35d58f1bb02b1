// Layers are told what they are, and once that they begin to serve.
#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;

Journal* journal = nullptr;
std::int32_t answer = 0;

std::int32_t begin(void* layer, ashlar_error* error) noexcept {
  const auto& module = *static_cast<FakeModule*>(layer);
  journal->add(std::string("begin ") + module.table().name);
  std::snprintf(error->text, error->capacity, "no room");
  return answer;
}
ashlar_serving serving_table{sizeof(ashlar_serving), 0, &begin};

const void* serving_extension(const char* id) noexcept {
  return std::strcmp(id, ASHLAR_SERVING_ID) == 0 ? &serving_table : nullptr;
}

struct ServedDisk {
  Journal calls;
  FakeModule top{ModuleKind::filter, "top"}, plugin{ModuleKind::plugin, "disk"};
  ServedDisk() {
    journal = &calls;
    answer = 0;
    serving_table = {sizeof(ashlar_serving), 0, &begin};
    top.set_extension(&serving_extension);
    plugin.set_extension(&serving_extension);
  }
  std::vector<FakeModule*> all() { return {&top, &plugin}; }
};

}  // namespace

TEST_CASE("each layer knows its export and its place in the chain") {
  ServedDisk m;
  Lines places;
  for (FakeModule* module : m.all())
    module->create_how = [&](const ashlar_create& how, ashlar_layer&) {
      places.push_back(std::string(how.export_name) + " " + std::to_string(how.place));
    };
  const FakeExport e(m.all());
  CHECK(places == Lines{"disk 1", "disk 2"});
}

TEST_CASE("layers are told once that they begin to serve, and not by being created and opened") {
  ServedDisk m;
  FakeExport e(m.all());
  CHECK(m.calls.take().empty());
  e->begin_serving();
  CHECK(m.calls.take() == Lines{"begin top", "begin disk"});
  const auto chain = e->open();
  CHECK(m.calls.take().empty());
}

TEST_CASE("a layer that cannot begin to serve is a mistake of the config, told with its place") {
  ServedDisk m;
  FakeExport e(m.all());
  answer = ENOSPC;
  CHECK_THROWS_WITH(e->begin_serving(), Catch::Contains(R"(export "disk": filter "top": no room)"));
  answer = 0;
  SECTION("too short") { serving_table.struct_size = offsetof(ashlar_serving, begin); }
  SECTION("reserved") { serving_table.reserved = 1; }
  SECTION("without a function") { serving_table.begin = nullptr; }
  CHECK_THROWS_WITH(e->begin_serving(), Catch::Contains("its ashlar.serving/1 is not whole"));
}

TEST_CASE("the layers of an optional export begin to serve when they are made") {
  ServedDisk m;
  const auto gone = [](ashlar_error&) { return ENOENT; };
  m.plugin.open = gone;
  FakeExport e(m.all(), {.optional = true});
  e->begin_serving();
  CHECK(m.calls.take().empty());
  m.plugin.open = {};
  answer = ENOSPC;
  CHECK_THROWS_AS(e->open(), OpenError);
  answer = 0;
  m.calls.take();
  auto chain = e->open();
  chain = e->open();
  CHECK(m.calls.take() == Lines{"begin top", "begin disk"});
}

}  // namespace ashlar::host
