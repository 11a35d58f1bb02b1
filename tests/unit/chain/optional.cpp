// An optional export: served when its backend can be opened, asked anew for each client.
#include <atomic>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;

struct Disk {
  Journal journal;
  FakeModule top{ModuleKind::filter, "top"}, plugin{ModuleKind::plugin, "disk"};
  Disk() { top.journal = plugin.journal = &journal; }
  std::vector<FakeModule*> all() { return {&top, &plugin}; }
};

std::int32_t gone(ashlar_error& error) {
  std::snprintf(error.text, error.capacity, "the disk is gone");
  return ENOENT;
}

Lines types(const FakeExport& e) {
  Lines all;
  for (const auto& layer : e.exported().layers())
    all.push_back(layer->type() + std::string(layer->implicit() ? "*" : ""));
  return all;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a backend that fails to be created, opened or described stops no optional export, and is told once") {
  Disk m;
  const auto member = GENERATE(&FakeModule::create, &FakeModule::open, &FakeModule::describe);
  FakeModule::Control& call = m.plugin.*member;
  call = &gone;
  FakeExport e(m.all(), {.zero_emulation = GENERATE(false, true), .optional = true});
  const std::string text = R"(export "disk": plugin "disk": the disk is gone)";
  CHECK(count(e.log.text(), text + "; it is optional, and will be tried again for each client") == 1);
  CHECK(count(e.log.text(), "\n") == 1);
  CHECK(types(e).empty());
  CHECK_FALSE(e->serial());
  CHECK_THROWS_WITH(e->open(), text);
  CHECK_THROWS_AS(e->open(), OpenError);
  CHECK(count(e.log.text(), "\n") == 1);

  call = {};
  m.journal.take();
  const auto chain = e->open();
  CHECK(types(e) == Lines{"top", "disk"});
  CHECK(m.journal.take().front() == "create top");
  ashlar_io io{};
  CHECK(chain->process(io) == 0);
  // From then on the layers are there, and only opened anew.
  const auto second = e->open();
  CHECK(m.journal.take() == Lines{"open disk", "describe disk", "open top", "describe top"});
  m.plugin.open = &gone;
  CHECK_THROWS_WITH(e->open(), text);
  m.plugin.open = {};
  CHECK(e->open() != nullptr);
}

TEST_CASE("layers that were created in vain are destroyed") {
  Disk m;
  m.plugin.create = &gone;
  {
    FakeExport e(m.all(), {.optional = true});
    CHECK(m.journal.take() == Lines{"create top", "create disk", "destroy top"});
    CHECK_THROWS_AS(e->open(), OpenError);
    CHECK(m.journal.take() == Lines{"create top", "create disk", "destroy top"});
  }
  CHECK(m.journal.take().empty());
}

TEST_CASE("zero-emulation is added when the backend can be asked") {
  Disk m;
  FakeModule emulation(ModuleKind::filter, "zero-emulation");
  m.plugin.geometry.traits = ASHLAR_ZERO_MAY_FAIL;
  m.plugin.open = &gone;
  FakeExport e(m.all(), {.zero_emulation = true, .optional = true}, {&emulation});
  m.plugin.open = {};
  CHECK(e->open()->geometries().size() == 3);
  CHECK(types(e) == Lines{"top", "zero-emulation*", "disk"});
}

TEST_CASE("a serial layer is one in an optional export, too") {
  FakeModule plugin(ModuleKind::plugin, "disk", ASHLAR_SERIAL);
  plugin.open = &gone;
  FakeExport e({&plugin}, {.optional = true});
  plugin.open = {};
  CHECK(e->open() != nullptr);
  CHECK(e->serial());
}

TEST_CASE("several clients find the backend at the same time: it is created once, and all are served") {
  std::atomic<bool> there{false};
  std::atomic<int> created{0}, served{0}, refused{0};
  Disk m;
  m.plugin.create = [&](ashlar_error& error) { return there ? ++created, 0 : gone(error); };
  FakeExport e(m.all(), {.optional = true});
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i)
    clients.emplace_back([&] {
      for (bool mine = false; !mine;) {
        try {
          const auto chain = e->open();
          ashlar_io io{};
          mine = chain->process(io) == 0 && !e->layers().empty();
          ++served;
        } catch (const OpenError&) {
          if (++refused == 20) there = true;
        }
      }
    });
  for (std::thread& client : clients) client.join();
  CHECK(served == 4);
  CHECK(created == 1);
}

TEST_CASE("a mistake in the config of an optional export is refused at the start") {
  Disk m;
  m.plugin.open = &gone;
  CHECK_THROWS_WITH(FakeExport(m.all(), {.optional = true, .absent = &m.plugin}),
                    StartsWith("test.toml: key \"type\": no module disk"));
  // Even one that stands behind a layer that cannot be created.
  m.top.create = &gone;
  CHECK_THROWS_AS(FakeExport(m.all(), {.optional = true, .absent = &m.plugin}), ConfigError);
}

TEST_CASE("a module in a file may come later; a mistake in its parameters is then for the log") {
  FakeModule plugin(ModuleKind::plugin, "/no/such/folder/disk.so");
  FakeExport e({&plugin}, {.optional = true, .absent = &plugin});
  CHECK_THAT(e.log.text(), ContainsSubstring(R"(export "disk": plugin "/no/such/folder/disk.so": no module)"));
  CHECK_THROWS_AS(e->open(), OpenError);
  SECTION("it comes") {
    e.add(plugin);
    CHECK(e->open() != nullptr);
  }
  SECTION("it comes with a parameter that it needs") {
    plugin.need_parameter();
    e.add(plugin);
    try {
      e->open();
      FAIL("was opened");
    } catch (const OpenError& error) {
      CHECK_THAT(error.what(), ContainsSubstring("test.toml: key \"self\": missing"));
      CHECK(error.told_to_client(true) == "it has a module that cannot be used");
    }
  }
}

}  // namespace ashlar::host
