// How the layers of an export are made, opened and closed, and what becomes of their mistakes.
#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using Lines = std::vector<std::string>;

struct ThreeLayers {
  Journal journal;
  FakeModule top{ModuleKind::filter, "top"}, middle{ModuleKind::filter, "middle"}, plugin{ModuleKind::plugin, "disk"};
  ThreeLayers() { top.journal = middle.journal = plugin.journal = &journal; }
  std::vector<FakeModule*> all() { return {&top, &middle, &plugin}; }
};

Lines opened(std::initializer_list<const char*> layers) {
  Lines lines;
  for (const char* layer : layers)
    lines.insert(lines.end(), {std::string("open ") + layer, std::string("describe ") + layer});
  return lines;
}

Lines operator+(Lines a, const Lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("layers open from the plugin up and close from the top down; destroyed after the last device is closed") {
  ThreeLayers m;
  {
    FakeExport e(m.all());
    const Lines closed{"close top", "close middle", "close disk"};
    CHECK(m.journal.take() ==
          Lines{"create top", "create middle", "create disk"} + opened({"disk", "middle", "top"}) + closed);
    {
      const auto chain = e->open();
      CHECK(m.journal.take() == opened({"disk", "middle", "top"}));
    }
    CHECK(m.journal.take() == closed);
  }
  Lines destroyed = m.journal.take();
  std::sort(destroyed.begin(), destroyed.end());
  CHECK(destroyed == Lines{"destroy disk", "destroy middle", "destroy top"});
}

TEST_CASE("opened for reading, a chain is read-only at the top, and its layers know nothing of it") {
  FakeModule plugin(ModuleKind::plugin, "disk");
  std::vector<std::uint32_t> read_only;
  plugin.open_how = [&](const ashlar_open& how) { return read_only.push_back(how.read_only), 0; };
  FakeExport e({&plugin});
  const auto reader = e->open(nullptr, true), writer = e->open();
  CHECK(reader->geometry().read_only);
  CHECK(reader->geometry().ops == Ops::known().without(Ops::writing()));
  CHECK_FALSE(writer->geometry().read_only);
  CHECK(writer->geometry().ops == Ops::known());
  CHECK(std::count(read_only.begin(), read_only.end(), 0u) == static_cast<std::ptrdiff_t>(read_only.size()));
}

TEST_CASE("an exclusive export, or one with multi_conn off, offers one connection, whatever its layers can") {
  FakeModule plugin(ModuleKind::plugin, "disk");
  plugin.geometry.traits = ASHLAR_MULTI_CONN;
  FakeExport::Settings settings;
  CHECK(FakeExport({&plugin}, settings)->open()->geometry().multi_conn);
  settings.exclusive = true;
  CHECK_FALSE(FakeExport({&plugin}, settings)->open()->geometry().multi_conn);
  settings.exclusive = false;
  settings.multi_conn = false;
  CHECK_FALSE(FakeExport({&plugin}, settings)->open()->geometry().multi_conn);
}

TEST_CASE("a request enters at the top and reaches the plugin through how.next") {
  ThreeLayers m;
  for (FakeModule* filter : {&m.top, &m.middle})
    filter->process = [&, filter](ashlar_io& io, const ashlar_open& how) {
      m.journal.add(filter->table().name);
      return how.next->process(how.next->self, &io);
    };
  m.plugin.process = [&](ashlar_io&, const ashlar_open& how) {
    m.journal.add("disk");
    return how.next == nullptr && how.below == nullptr ? ENOSPC : EIO;
  };
  FakeExport e(m.all());
  const auto chain = e->open();
  m.journal.take();
  ashlar_io io{};
  CHECK(chain->process(io) == ENOSPC);
  CHECK(m.journal.take() == Lines{"top", "middle", "disk"});
}

TEST_CASE(
    "a layer that cannot be opened: those below it are closed, the text says which and why, and no device leaks") {
  ThreeLayers m;
  FakeExport e(m.all());
  m.journal.take();
  const auto refuse = [](ashlar_error& error) {
    std::snprintf(error.text, error.capacity, "no\nluck");
    return EACCES;
  };
  SECTION("open fails") {
    m.middle.open = refuse;
    CHECK_THROWS_WITH(e->open(), R"(export "disk": filter "middle": no\nluck)");
    CHECK(m.journal.take() == opened({"disk"}) + Lines{"open middle", "close disk"});
  }
  SECTION("describe fails") {
    m.middle.describe = refuse;
    CHECK_THROWS_WITH(e->open(), R"(export "disk": filter "middle": no\nluck)");
    CHECK(m.journal.take() == opened({"disk", "middle"}) + Lines{"close middle", "close disk"});
  }
  SECTION("without a text the errno speaks") {
    m.middle.open = [](ashlar_error&) { return ENOENT; };
    CHECK_THROWS_WITH(e->open(), ContainsSubstring("No such file or directory"));
  }
  SECTION("a negative status is a failure, too") {
    m.middle.open = [](ashlar_error&) { return -5; };
    CHECK_THROWS_WITH(e->open(), ContainsSubstring("Input/output error"));
  }
  SECTION("a text that does not end is cut") {
    m.middle.open = [](ashlar_error& error) {
      std::memset(error.text, 'x', error.capacity);
      return EIO;
    };
    CHECK_THROWS_WITH(e->open(), ContainsSubstring(std::string(512, 'x')));
  }
  SECTION("geometry against the rules") {
    m.middle.geometry.minimum = 3;
    CHECK_THROWS_WITH(e->open(), ContainsSubstring("minimum block, 3"));
    CHECK(m.journal.take() == opened({"disk", "middle"}) + Lines{"close middle", "close disk"});
  }
  SECTION("a device without process is closed") {
    m.middle.spoil = [](ashlar_device& d) { d.process = nullptr; };
    CHECK_THROWS_WITH(e->open(), ContainsSubstring("lacks process"));
    CHECK(m.journal.take() == opened({"disk"}) + Lines{"open middle", "close middle", "close disk"});
  }
  SECTION("a device without describe is closed") {
    m.middle.spoil = [](ashlar_device& d) { d.describe = nullptr; };
    CHECK_THROWS_WITH(e->open(), ContainsSubstring("lacks describe"));
    CHECK(m.journal.take() == opened({"disk"}) + Lines{"open middle", "close middle", "close disk"});
  }
  SECTION("a device with something in a reserved field is closed") {
    m.middle.spoil = [](ashlar_device& d) { d.reserved = 1; };
    CHECK_THROWS_WITH(e->open(), ContainsSubstring("field that is reserved"));
    CHECK(m.journal.take() == opened({"disk"}) + Lines{"open middle", "close middle", "close disk"});
  }
  // The next connection is none the worse.
  m.middle.open = m.middle.describe = {};
  m.middle.geometry = m.top.geometry;
  m.middle.spoil = {};
  CHECK(e->open() != nullptr);
}

TEST_CASE("an export whose plugin fails to be created or opened is a mistake in the config") {
  ThreeLayers m;
  m.plugin.create = [](ashlar_error&) { return ENODEV; };
  CHECK_THROWS_AS(FakeExport(m.all()), ConfigError);
  CHECK(m.journal.take() == Lines{"create top", "create middle", "create disk", "destroy top", "destroy middle"});
  m.plugin.create = {};
  m.plugin.open = [](ashlar_error&) { return ENOENT; };
  CHECK_THROWS_WITH(FakeExport(m.all()), StartsWith("test.toml") && ContainsSubstring("No such file or directory"));
}

TEST_CASE("what may not be written to is refused with the advice to serve it read-only, if that is possible") {
  ThreeLayers m;
  std::int32_t status = 0;
  bool readable = true;
  m.plugin.open_how = [&](const ashlar_open& how) { return how.read_only != 0 && readable ? 0 : status; };
  FakeExport::Settings settings;
  const auto refusal = [&] {
    try {
      const FakeExport e(m.all(), settings);
      return std::string("none");
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
  };
  for (const std::int32_t one : {EACCES, EPERM, EROFS}) {
    status = one;
    readable = true;
    const std::string text = std::generic_category().message(one);
    settings = {};
    CHECK(refusal() == "test.toml: key \"type\": export \"disk\": plugin \"disk\": " + text +
                           "; write read_only = true below its [[export]] to serve it without writing");
    settings = {.is_image = true};
    CHECK(refusal() == text + "; add --read-only to serve it without writing");
    settings = {.zero_emulation = true};
    CHECK_THAT(refusal(), EndsWith("to serve it without writing"));
    readable = false;
    CHECK_THAT(refusal(), EndsWith("plugin \"disk\": " + text));
    settings = {.read_only = true};
    CHECK_THAT(refusal(), EndsWith("plugin \"disk\": " + text));
    readable = true;
    CHECK(refusal() == "none");
  }
  status = ENOENT;
  settings = {};
  CHECK_THAT(refusal(), EndsWith("No such file or directory"));
}

TEST_CASE("a client is told the cause alone, without the folders that the layer was given or only names") {
  ThreeLayers m;
  FakeExport e(m.all());
  m.plugin.open = [](ashlar_error& error) {
    std::snprintf(error.text, error.capacity, "cannot open '/srv/a b/disk.img': No such file or directory");
    return ENOENT;
  };
  try {
    e->open();
    FAIL("was opened");
  } catch (const OpenError& error) {
    CHECK(error.what() ==
          std::string(R"(export "disk": plugin "disk": cannot open '/srv/a b/disk.img': No such file or directory)"));
    CHECK(error.told_to_client(true) == "cannot open '/srv/a b/disk.img': No such file or directory");
    CHECK(error.told_to_client(false) == "cannot open 'disk.img': No such file or directory");
  }
}

TEST_CASE("a chain offers nothing that writes when the export, the top or the ops make it read-only") {
  ThreeLayers m;
  const Ops reading = Ops::known().without(Ops::writing());
  SECTION("as it is") {
    FakeExport e(m.all());
    CHECK(e->open()->geometry().ops == Ops::known());
  }
  SECTION("the export") {
    FakeExport e(m.all(), {.read_only = true});
    CHECK(e->open()->geometry().ops == reading);
    CHECK(e->open()->geometry().read_only);
  }
  SECTION("the top layer says so") {
    m.top.geometry.traits = ASHLAR_READ_ONLY;
    FakeExport e(m.all());
    CHECK(e->open()->geometry().ops == reading);
  }
  SECTION("no write: no trim and zero either") {
    m.top.geometry.ops &= ~ASHLAR_OP_BIT(ASHLAR_OP_WRITE);
    FakeExport e(m.all());
    CHECK(e->open()->geometry().ops == reading);
    CHECK(e->open()->geometry().read_only);
  }
  SECTION("ops and flags that this host does not know are not offered on") {
    m.top.geometry.ops = m.top.geometry.flags = UINT64_MAX;
    FakeExport e(m.all());
    CHECK(e->open()->geometry().ops == Ops::known());
    CHECK(e->open()->geometry().flags.bits() == ASHLAR_FLAGS_KNOWN);
  }
}

TEST_CASE("zero-emulation stands right above a writable plugin that may not be able to zero, and only there") {
  FakeModule emulation(ModuleKind::filter, "zero-emulation"), plugin(ModuleKind::plugin, "disk"),
      top(ModuleKind::filter, "top");
  const auto layers = [&](FakeExport::Settings settings) {
    FakeExport e({&top, &plugin}, settings, {&emulation});
    Lines types;
    for (const auto& layer : e->layers()) types.push_back(layer->type() + std::string(layer->implicit() ? "*" : ""));
    return types;
  };
  const Lines plain{"top", "disk"}, emulated{"top", "zero-emulation*", "disk"};
  CHECK(layers({.zero_emulation = true}) == plain);
  plugin.geometry.traits = ASHLAR_ZERO_MAY_FAIL;
  CHECK(layers({.zero_emulation = true}) == emulated);
  CHECK(layers({.zero_emulation = false}) == plain);
  CHECK(layers({.read_only = true, .zero_emulation = true}) == plain);
  plugin.geometry.traits = 0;
  plugin.geometry.ops &= ~ASHLAR_OP_BIT(ASHLAR_OP_ZERO);
  CHECK(layers({.zero_emulation = true}) == emulated);
  plugin.geometry.ops &= ~ASHLAR_OP_BIT(ASHLAR_OP_WRITE);
  CHECK(layers({.zero_emulation = true}) == plain);

  // There already: not twice.
  plugin.geometry.ops = ASHLAR_OPS_KNOWN & ~ASHLAR_OP_BIT(ASHLAR_OP_ZERO);
  FakeExport e({&emulation, &plugin}, {.zero_emulation = true});
  CHECK(e->layers().size() == 2);
  CHECK_FALSE(e->layers()[0]->implicit());
}

}  // namespace ashlar::host
