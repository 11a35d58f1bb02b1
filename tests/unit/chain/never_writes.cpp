// A filter that never writes below: the layers below it are opened read-only, though the export is writable.
#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

struct FourLayers {
  FakeModule top{ModuleKind::filter, "top"}, keeper{ModuleKind::filter, "keeper"}, middle{ModuleKind::filter, "middle"},
      plugin{ModuleKind::plugin, "disk"}, emulation{ModuleKind::filter, "zero-emulation"};
  std::vector<FakeModule*> all{&top, &keeper, &middle, &plugin};
  std::vector<std::string> read_only;  // the layers that were opened so

  FourLayers() {
    keeper.create_how = [](const ashlar_create&, ashlar_layer& out) { out.traits |= ASHLAR_NEVER_WRITES_BELOW; };
    for (FakeModule* module : all)
      module->open_how = [this, module](const ashlar_open& how) {
        if (how.read_only != 0) read_only.push_back(module->table().name);
        return 0;
      };
  }
};

}  // namespace

TEST_CASE("the layers below a filter that never writes there are opened read-only, it and those above as the export") {
  FourLayers m;
  FakeExport e(m.all);
  CHECK(m.read_only == std::vector<std::string>{"disk", "middle"});
  m.read_only.clear();
  const auto chain = e->open();
  CHECK(m.read_only == std::vector<std::string>{"disk", "middle"});
  CHECK_FALSE(chain->geometry().read_only);
  CHECK(chain->geometry().ops.has(Op::write));
}

TEST_CASE("a read-only export opens all of its layers so") {
  FourLayers m;
  FakeExport e(m.all, {.read_only = true});
  CHECK(m.read_only == std::vector<std::string>{"disk", "middle", "keeper", "top"});
}

TEST_CASE("a plugin that is not written to needs no zero-emulation") {
  FourLayers m;
  m.plugin.geometry.traits = ASHLAR_ZERO_MAY_FAIL;
  FakeExport e(m.all, {.zero_emulation = true}, {&m.emulation});
  CHECK(e->layers().size() == 4);
  m.keeper.create_how = {};
  FakeExport written(m.all, {.zero_emulation = true}, {&m.emulation});
  CHECK(written->layers().size() == 5);
}

}  // namespace ashlar::host
