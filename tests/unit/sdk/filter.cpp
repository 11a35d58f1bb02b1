// Filter: what goes on by itself, and what does not.
#include <ashlar/filter.hpp>
#include <ashlar/testing/harness.hpp>
#include <ashlar/testing/model_disk.hpp>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {
class PassOn final : public Filter {
 public:
  using Filter::Filter;
};
class Shortcut final : public Filter {
 public:
  using Filter::Filter;
  Geometry describe() override { return offer(Flag::shortcuts); }
};
class MakesFua final : public Filter {
 public:
  using Filter::Filter;
  Geometry describe() override {
    Geometry g = offer();
    g.flags |= Flag::fua;
    return g;
  }
  Status write(Io& io) noexcept override {
    const Status s = next(Io::write(io, io.offset(), io.payload()));
    return s.ok() && io.has(Flag::fua) ? next(Io(io, Op::flush, 0, 0)) : s;
  }
};
class Asks final : public Filter {  // whether the layer below is told of replies
 public:
  using Filter::Filter;
  const void* extension(const char* id) noexcept override { return next_extension(id); }
};
class Aliases final : public Filter {  // a member with the name that a template is likely to have for the class
 public:
  using T = int;
  using Class = int;
  using Filter::Filter;
};
class Flushes : public Filter {  // whatever it is asked for
 public:
  using Filter::Filter;
  Status process(Io&) noexcept override { return next(Io(Op::flush, 0, 0)); }
};
class Overloaded final : public Flushes {
 public:
  using Flushes::Flushes;
  Status process(Io& io) noexcept override { return process(io, 1); }
  Status process(Io& io, int) noexcept { return Flushes::process(io); }
};
class Derived final : public Flushes {
 public:
  using Flushes::Flushes;
  Status trim(Io&) noexcept override { return Status::io_error(); }
};
constexpr ashlar_module pass_on = module_of<PassOn>({.name = "plain"});
constexpr ashlar_module asks = module_of<Asks>({.name = "asks"});
constexpr ashlar_module aliases = module_of<Aliases>({.name = "aliases"});
constexpr ashlar_module durable = module_of<MakesFua>({.name = "makes-fua"});
constexpr ashlar_module overloaded = module_of<Overloaded>({.name = "overloaded"});
constexpr ashlar_module derived = module_of<Derived>({.name = "derived"});
constexpr ashlar_module shortcut = module_of<Shortcut>({.name = "shortcut"});

// A device of `module` over `disk`.
struct Over {
  Over(const ashlar_module& module, ModelDisk& disk) : layer(module, host), device(layer.open_over(disk)) {}
  FakeHost host;
  TestLayer layer;
  std::unique_ptr<TestDevice> device;
};
}  // namespace

TEST_CASE("a filter that overrides nothing passes everything on, shortcuts aside") {
  ModelDisk disk(4096);
  disk.geometry().flags |= Flag::shortcuts;
  disk.geometry().minimum = 512;
  disk.geometry().rotational = true;
  const Over over(pass_on, disk);
  const Geometry g = over.device->geometry();
  CHECK(g.ops == Ops::known());
  CHECK(g.flags == Flag::promises);
  CHECK(g.size == 4096);
  CHECK(g.minimum == 512);
  CHECK((g.rotational && g.multi_conn));
  ExtentList list;
  std::vector<std::byte> bytes(512, std::byte{7});
  CHECK(over.device->write(0, bytes, Flag::fua).ok());
  CHECK(over.device->read(0, bytes).ok());
  CHECK(over.device->zero(512, 512, Flag::may_trim | Flag::fast).ok());
  CHECK(over.device->trim(512, 512).ok());
  CHECK(over.device->cache(0, 512).ok());
  CHECK(over.device->extents(0, 512, list, Flag::req_one).ok());
  CHECK(over.device->flush().ok());
  CHECK(disk.calls() == std::vector<ModelDisk::Call>{{Op::write, 0, 512, Flag::fua},
                                                     {Op::read, 0, 512, {}},
                                                     {Op::zero, 512, 512, Flag::may_trim | Flag::fast},
                                                     {Op::trim, 512, 512, {}},
                                                     {Op::cache, 0, 512, {}},
                                                     {Op::extents, 0, 512, Flag::req_one},
                                                     {Op::flush, 0, 0, {}}});
}

TEST_CASE("a filter passes on the shortcuts it says it understands, if they are there") {
  ModelDisk disk(4096);
  disk.geometry().flags |= Flag::nowait | Flag::may_lend;
  CHECK(Over(shortcut, disk).device->geometry().flags == (Flag::promises | Flag::nowait | Flag::may_lend));
}

TEST_CASE("a read without memory does not reach a layer that would fill it") {
  ModelDisk disk(4096);
  disk.geometry().flags |= Flag::nowait | Flag::may_lend;  // but not lend_only
  const Over over(shortcut, disk);
  Io io = Io::lend_only(0, 512);
  CHECK(over.device->process(io) == Status::would_block());
  CHECK(disk.calls().empty());
  disk.geometry().flags |= Flag::lend_only;
  disk.lend_from(7);
  Io lent = Io::lend_only(0, 512);
  CHECK(Over(shortcut, disk).device->process(lent).ok());
  CHECK(lent.lent_fd == 7);
  CHECK(disk.breaches().empty());
}

TEST_CASE("no op or flag of a later revision slips past a filter") {
  ModelDisk disk(4096);
  disk.geometry().ops = Ops{~std::uint64_t{0}};
  disk.geometry().flags = Flags{~std::uint64_t{0}};
  CHECK(Over(shortcut, disk).device->geometry().ops == Ops::known());
  CHECK(Over(shortcut, disk).device->geometry().flags == Flags{ASHLAR_FLAGS_KNOWN});
}

TEST_CASE("a promise that the layer below cannot keep is refused and does not reach it") {
  ModelDisk disk(4096);
  disk.geometry().flags = Flag::may_trim;
  const Over over(pass_on, disk);
  const std::vector<std::byte> bytes(512);
  CHECK(over.device->write(0, bytes, Flag::fua) == Status::not_supported());
  CHECK(over.device->zero(0, 512, Flag::fast) == Status::not_supported());
  CHECK(over.device->zero(0, 512, Flag::fast | Flag::may_trim) == Status::not_supported());
  CHECK(disk.calls().empty());
}

TEST_CASE("what a filter makes of a request is of the same client's request") {
  std::vector<std::byte> bytes(512);
  Io parent = Io::read(0, bytes);
  CHECK(parent.id() == 0);
  CHECK(parent.arrived() == 0);
  parent.ashlar_io::id = 7;
  parent.ashlar_io::arrived = 8;
  for (const Io& made : {Io(parent, Op::flush, 0, 0), Io::read(parent, 0, bytes), Io::write(parent, 0, bytes)}) {
    CHECK(made.id() == 7);
    CHECK(made.arrived() == 8);
  }
}

TEST_CASE("flags that are not offered below are left out of the call and given back; an op not offered stays here") {
  ModelDisk disk(4096);
  disk.geometry().flags = Flag::fua;
  disk.geometry().ops = Ops::known().without(Op::trim);
  const Over over(pass_on, disk);
  Io io(Op::zero, 0, 512, Flag::fua | Flag::may_trim);
  CHECK(over.device->process(io).ok());
  CHECK(io.flags() == (Flag::fua | Flag::may_trim));
  CHECK(disk.calls().back().flags == Flag::fua);
  CHECK(over.device->trim(0, 512) == Status::not_supported());
  CHECK(disk.count(Op::trim) == 0);
  CHECK(disk.breaches().empty());
}

TEST_CASE("a class may have members of any name") {
  ModelDisk disk(4096);
  CHECK(Over(aliases, disk).device->trim(0, 512).ok());
}

TEST_CASE("a filter may keep a promise itself that the layer below cannot") {
  ModelDisk disk(4096);
  disk.geometry().flags = {};
  const Over over(durable, disk);
  CHECK(over.device->write(0, std::vector<std::byte>(512), Flag::fua).ok());
  CHECK(disk.count(Op::flush) == 1);
}

TEST_CASE("an op goes to the class that overrides process, whatever else has that name, or stands below it") {
  ModelDisk disk(4096);
  for (const ashlar_module* module : {&overloaded, &derived}) {
    disk.forget_calls();
    CHECK(Over(*module, disk).device->trim(0, 512).ok());
    CHECK(disk.calls() == std::vector<ModelDisk::Call>{{Op::flush, 0, 0, {}}});
  }
}

TEST_CASE("a filter asks the layer below for an optional ability") {
  FakeHost host;
  ModelDisk disk(4096);
  const TestLayer layer(asks, host);
  const auto extension = [](const TestDevice& device, const char* id) {
    return device.device()->extension(device.device()->self, id);
  };
  CHECK(extension(*layer.open_over(disk), ASHLAR_REPLIED_ID) == nullptr);  // the disk has no extension at all

  static const int ability = 0;
  struct Below {
    ModelDisk& disk;
    ashlar_device able = *disk.device();
    const ashlar_device* device() const { return &able; }
    const ashlar_geometry* below() const { return disk.below(); }
  } below{disk};
  below.able.extension = [](void* self, const char* id) noexcept -> const void* {
    return self != nullptr && std::string_view(id) == ASHLAR_REPLIED_ID ? &ability : nullptr;
  };
  const auto device = layer.open_over(below);
  CHECK(extension(*device, ASHLAR_REPLIED_ID) == &ability);
  CHECK(extension(*device, ASHLAR_REOPEN_ID) == nullptr);
}
