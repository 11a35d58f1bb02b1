#include "../random_model.hpp"
#include "bench.hpp"
#include "catch.hpp"
#include "lost_writes.hpp"
#include "settings.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

Given quick(Given more = {}) {
  more.push_back({"delay", "1us"});
  return more;
}

// A layer and a device that may have the layers below opened anew, which only counts.
struct Reopened {
  explicit Reopened(ModelDisk& below, const Given& given = quick({{"reopen", "true"}}))
      : disk(below), values(own_module(), given) {
    create.values = values.data();
    must_succeed([&](ashlar_error* e) { return own_module().create(&create, &layer, e); });
    open();
  }
  ~Reopened() {
    device.reset();
    own_module().destroy(layer.self);
  }
  void open() {
    device.reset();
    ashlar_open how{};
    how.struct_size = sizeof how;
    how.next = disk.device();
    how.below = disk.below();
    how.self = this;
    how.extension = [](void* self, const char* id) noexcept -> const void* {
      return std::string_view(id) == ASHLAR_REOPEN_ID ? &static_cast<Reopened*>(self)->service : nullptr;
    };
    device = std::make_unique<TestDevice>(own_module(), layer.self, how, "test");
  }
  static std::uint64_t generation_of(void* self) noexcept { return static_cast<Reopened*>(self)->generation; }
  static std::int32_t reopen(void* self, std::uint64_t seen, ashlar_error*) noexcept {
    auto& here = *static_cast<Reopened*>(self);
    if (here.generation != seen) return 0;
    here.calls_before = here.disk.calls();
    ++here.generation;
    return here.fails;
  }

  ModelDisk& disk;
  FakeHost host;
  Values values;
  ashlar_create create{sizeof(ashlar_create), 1, "test", host.services(), nullptr};
  ashlar_layer layer{sizeof(ashlar_layer), 0, nullptr, 0};
  ashlar_reopen service{sizeof(ashlar_reopen), 0, this, &generation_of, &reopen};
  std::uint64_t generation = 1;
  std::int32_t fails = 0;
  Calls calls_before;  // of the disk, when it was opened anew
  std::unique_ptr<TestDevice> device;
};

}  // namespace

TEST_CASE("retry: a request that fails is made again, as often as it may be") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.fill();
  const TestLayer layer(own_module(), host, quick({{"times", "3"}}));
  const auto device = layer.open_over(disk);
  for (std::size_t n = 0; n != 3; ++n) disk.fail_call(n, Status{EIO});
  CHECK(read_all(*device, 100, 200) == part(disk.bytes(), 100, 200));
  CHECK(disk.calls() == Calls(4, Call{Op::read, 100, 200, {}}));
  disk.forget_calls();
  for (std::size_t n = 0; n != 4; ++n) disk.fail_call(n, Status{ETIMEDOUT});
  CHECK(device->write(0, bytes_of(10, 1)) == Status{ETIMEDOUT});
  CHECK(disk.calls().size() == 4);
  CHECK(host.said("read 200@100 failed: Input/output error; it is made again in 0 ms"));
}

TEST_CASE("retry: only the errors that are listed") {
  FakeHost host;
  ModelDisk disk(10000);
  const TestLayer usual(own_module(), host, quick());
  const TestLayer listed(own_module(), host, quick({{"errors", "ENOSPC,EBUSY"}}));
  const auto count = [&](const TestLayer& layer, int error) {
    const std::size_t before = disk.calls().size();
    disk.fail_call(0, Status{error});
    static_cast<void>(layer.open_over(disk)->write(0, bytes_of(10, 1)));
    return disk.calls().size() - before;
  };
  CHECK(count(usual, EIO) == 2);
  CHECK(count(usual, ENOSPC) == 1);
  CHECK(count(listed, EIO) == 1);
  CHECK(count(listed, ENOSPC) == 2);
}

TEST_CASE("retry: a flush or FUA that fails is never made again") {
  FakeHost host;
  ModelDisk disk(10000);
  const TestLayer layer(own_module(), host, quick());
  const auto device = layer.open_over(disk);
  for (std::size_t n = 0; n != 3; ++n) disk.fail_call(n, Status{EIO});
  CHECK(device->flush() == Status{EIO});
  CHECK(device->write(0, bytes_of(10, 1), Flag::fua) == Status{EIO});
  CHECK(device->zero(0, 10, Flag::fua) == Status{EIO});
  CHECK(disk.calls().size() == 3);
}

TEST_CASE("retry: does not wait under nowait, nor for an answer that nobody wants") {
  FakeHost host;
  ModelDisk disk(10000);
  disk.geometry().flags |= Flag::nowait;
  const TestLayer layer(own_module(), host, {{"delay", "3600s"}, {"max_delay", "3600s"}});
  const auto device = layer.open_over(disk);
  disk.fail(Op::read, Status{EIO});
  Bytes into(10);
  CHECK(device->read(0, into, Flag::nowait) == Status::would_block());
  host.wait().cancel();
  CHECK(device->read(0, into) == Status{ECANCELED});
  CHECK(disk.calls().size() == 2);
}

TEST_CASE("retry: extents that were told are not told again") {
  FakeHost host;
  ModelDisk disk(10000);
  const TestLayer layer(own_module(), host, quick());
  const auto device = layer.open_over(disk);
  disk.fail_call(0, Status{EIO});
  ExtentList list;
  CHECK(device->extents(0, 10000, list).ok());
  CHECK(list.extents() == std::vector<ListedExtent>{{10000, Extent::sparse}});
}

TEST_CASE("retry: the delay grows, up to its limit") {
  FakeHost host;
  const Values values(own_module(), {{"delay", "100ms"}, {"max_delay", "1s"}});
  std::vector<const ashlar_param*> table(own_module().params, own_module().params + own_module().n_params);
  const Settings settings(Params(table.data(), {values.data(), table.size()}));
  const auto ms = [&](std::uint64_t n) { return settings.delay_before(n) / std::chrono::milliseconds(1); };
  CHECK((ms(1) == 100 && ms(2) == 200 && ms(4) == 800 && ms(5) == 1000 && ms(1000000) == 1000));
  CHECK_THROWS_AS(TestLayer(own_module(), host, {{"delay", "soon"}}), Refused);
  CHECK_THROWS_AS(TestLayer(own_module(), host, {{"delay", "2s"}, {"max_delay", "1s"}}), Refused);
  CHECK_THROWS_AS(TestLayer(own_module(), host, {{"errors", ""}}), Refused);
  CHECK_THROWS_WITH(TestLayer(own_module(), host, {{"errors", "EIO,ENXIO,EIO"}}), "errors has EIO twice");
}

TEST_CASE("retry: reopens the layers below, behind a flush of what was written") {
  ModelDisk disk(10000);
  Reopened over(disk);
  Bytes into(10);
  disk.fail_call(0, Status{EIO});
  CHECK(over.device->read(0, into).ok());
  CHECK(over.generation == 2);
  CHECK(over.calls_before == Calls{{Op::read, 0, 10, {}}});  // nothing was written
  CHECK(over.device->write(0, bytes_of(10, 1)).ok());
  disk.forget_calls();
  disk.fail_call(0, Status{EIO});
  CHECK(over.device->read(0, into).ok());
  CHECK(over.calls_before == Calls{{Op::read, 0, 10, {}}, {Op::flush, 0, 0, {}}});
  CHECK(over.device->flush().ok());
  disk.forget_calls();
  disk.fail_call(0, Status{EIO});
  CHECK(over.device->read(0, into).ok());
  CHECK(over.calls_before.size() == 1);  // it is flushed already
}

TEST_CASE("retry: what may be lost over a reopening is told by every flush, until all clients have gone") {
  ModelDisk disk(10000);
  Reopened over(disk);
  Bytes into(10);
  CHECK(over.device->write(0, bytes_of(10, 1)).ok());
  disk.fail_call(0, Status{EIO});        // the read
  disk.fail_call(1, Status{EREMOTEIO});  // the flush before the layers are opened anew
  CHECK(over.device->read(0, into).ok());
  CHECK(over.generation == 2);
  CHECK(over.device->flush() == Status{EREMOTEIO});
  CHECK(over.device->write(0, bytes_of(10, 1), Flag::fua) == Status{EREMOTEIO});
  CHECK(over.host.said("may be lost"));
  over.open();
  CHECK(over.device->flush().ok());
}

TEST_CASE("retry: a flush that failed is not forgotten by a reopening") {
  ModelDisk disk(10000);
  Reopened over(disk);
  disk.fail_call(0, Status{EIO});
  CHECK(over.device->flush() == Status{EIO});
  Bytes into(10);
  disk.fail_call(0, Status{EIO});
  CHECK(over.device->read(0, into).ok());
  CHECK(over.device->flush() == Status{EIO});
}

TEST_CASE("retry: layers that cannot be opened anew are tried again") {
  ModelDisk disk(10000);
  Reopened over(disk, quick({{"reopen", "true"}, {"times", "2"}}));
  over.fails = EIO;
  disk.fail(Op::read, Status{EIO});
  Bytes into(10);
  CHECK(over.device->read(0, into) == Status{EIO});
  CHECK(over.generation == 3);
  CHECK(over.host.said("the layers below cannot be opened anew"));
}

TEST_CASE("retry: a write that a reopening comes across does not count") {
  Writes writes;
  const auto before = writes.begin();
  REQUIRE(before);
  writes.begin_reopening();
  CHECK_FALSE(writes.begin());
  CHECK_FALSE(writes.end(*before));
  writes.end_reopening();
  const auto after = writes.begin();
  REQUIRE(after);
  const Writes::Mark busy = writes.before_flush();
  CHECK(writes.end(*after));
  writes.flushed(busy);
  CHECK(writes.dirty());  // it may have come behind the flush
  writes.flushed(writes.before_flush());
  CHECK_FALSE(writes.dirty());
}

TEST_CASE("retry: random requests over a disk that fails often") {
  FakeHost host(Level::error);
  ModelDisk disk(100000);
  disk.fill();
  const TestLayer layer(own_module(), host, quick());
  const auto device = layer.open_over(disk);
  Geometry geometry = device->geometry();
  geometry.flags = geometry.flags.without(Flag::fua);
  geometry.ops = geometry.ops.without(Op::flush);
  RandomModel model([&](Io& io) { return device->process(io); }, geometry, disk.bytes());
  int n = 0;
  disk.on_call([&](const Call&) {
    if (++n % 3 == 0) disk.fail_call(0, Status{EIO});
  });
  CHECK_NOTHROW(model.run(RandomModel::operations() / 10));
  CHECK(disk.breaches().empty());
}
