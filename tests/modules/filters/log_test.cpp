#include <ashlar/filter.hpp>
#include <string_view>

#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {
// Whether the line is `start` and then a number.
bool counts(std::string_view line, std::string_view start) {
  return line.starts_with(start) && line.size() > start.size() &&
         line.find_first_not_of("0123456789", start.size()) == line.npos;
}
// Leaves requests other than they came.
class Spoils final : public Filter {
 public:
  using Filter::Filter;
  Status write(Io& io) noexcept override {
    const Status s = next(io);
    io.set_range(0, 1);
    io.set_flags(Flag::fua);
    return s;
  }
};
const ashlar_module& spoiler() {
  static constexpr ashlar_module module = module_of<Spoils>({.name = "spoils"});
  return module;
}
}  // namespace

TEST_CASE("log writes a line at open, for each request, and at close with counts") {
  FakeHost host;
  ModelDisk disk(8192);
  disk.fail(Op::zero, Status::no_space());
  disk.fail(Op::cache, Status{9999});
  const TestLayer layer(own_module(), host);
  {
    const auto device = layer.open_over(disk, false, "disk one");
    CHECK(device->write(4096, bytes_of(512, 1), Flag::fua).ok());
    CHECK(read_all(*device, 0, 8192).size() == 8192);
    CHECK(device->zero(1, 2, Flag::may_trim | Flag::fast) == Status::no_space());
    CHECK(device->flush().ok());
    CHECK(device->cache(0, 1).code() == 9999);
  }
  const auto lines = host.lines();
  REQUIRE(lines.size() == 7);
  CHECK(lines[0].text == "#1 open export=\"disk one\" size=8192 blocks=1/4096/0");
  CHECK(counts(lines[1].text, "#1 write offset=4096 length=512 flags=fua result=ok us="));
  CHECK(counts(lines[2].text, "#1 read offset=0 length=8192 flags=- result=ok us="));
  CHECK(counts(lines[3].text, "#1 zero offset=1 length=2 flags=may_trim,fast result=ENOSPC us="));
  CHECK(counts(lines[4].text, "#1 flush offset=0 length=0 flags=- result=ok us="));
  CHECK(counts(lines[5].text, "#1 cache offset=0 length=1 flags=- result=9999 us="));
  CHECK(lines[6].text == "#1 close export=\"disk one\" requests=5 failed=2 read=8192 written=512");
  for (const auto& line : lines) CHECK(line.level == Level::info);
}

TEST_CASE("log writes a line when a reply has left, if it is told to, with the request's id in both") {
  FakeHost host;
  ModelDisk disk(8192);
  const TestLayer layer(own_module(), host, {{"replies", "true"}});
  const auto device = layer.open_over(disk);
  Io flush(Op::flush, 0, 0);
  flush.ashlar_io::id = 7;
  CHECK(device->process(flush).ok());
  const ashlar_device& d = *device->device();
  const auto* told = static_cast<const ashlar_replied*>(d.extension(d.self, ASHLAR_REPLIED_ID));
  REQUIRE(told != nullptr);
  told->replied(told->self, 7, ECONNABORTED);
  const auto lines = host.lines();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].text.ends_with(" id=7"));
  CHECK(lines[2].text == "#1 replied id=7 result=ECONNABORTED");
  const TestLayer quiet(own_module(), host);
  const auto other = quiet.open_over(disk);
  CHECK(other->device()->extension(other->device()->self, ASHLAR_REPLIED_ID) == nullptr);
}

TEST_CASE("log tells what was asked, whatever a layer below makes of the request") {
  FakeHost host;
  ModelDisk disk(8192);
  const TestLayer layer(own_module(), host);
  const TestLayer spoils(spoiler(), host);
  const auto below = spoils.open_over(disk);
  const auto device = layer.open_over(*below);
  CHECK(device->write(512, bytes_of(512, 1)).ok());
  CHECK(host.said("#1 write offset=512 length=512 flags=- "));
}

TEST_CASE("log counts connections") {
  FakeHost host;
  ModelDisk disk(512);
  const TestLayer layer(own_module(), host);
  const auto one = layer.open_over(disk);
  const auto two = layer.open_over(disk);
  CHECK(host.said("#1 open"));
  CHECK(host.said("#2 open"));
}

TEST_CASE("log writes at the level it is told, and nothing when that is off") {
  FakeHost host(Level::info);
  ModelDisk disk(512);
  {
    const TestLayer layer(own_module(), host, {{"level", "debug"}});
    const auto device = layer.open_over(disk);
    const int asked = host.asked();
    CHECK(device->flush().ok());
    CHECK(host.asked() == asked + 1);  // one test is all that a request costs
  }
  CHECK(disk.count(Op::flush) == 1);
  CHECK(host.lines().empty());
  const TestLayer layer(own_module(), host, {{"level", "warn"}});
  const auto device = layer.open_over(disk);
  REQUIRE(host.lines().size() == 1);
  CHECK(host.lines()[0].level == Level::warn);
}

TEST_CASE("log does not log a try that would have blocked, as it comes again") {
  FakeHost host;
  ModelDisk disk(512);
  disk.geometry().flags |= Flag::nowait;
  const TestLayer layer(own_module(), host);
  const auto device = layer.open_over(disk);
  host.clear();
  disk.block_always();
  Bytes into(512);
  CHECK(device->read(0, into, Flag::nowait) == Status::would_block());
  CHECK(host.lines().empty());
  CHECK(device->read(0, into).ok());
  CHECK(host.lines().size() == 1);
}

TEST_CASE("log passes every shortcut on") {
  FakeHost host;
  ModelDisk disk(512);
  disk.geometry().flags |= Flag::shortcuts;
  disk.lend_from(5);
  const TestLayer layer(own_module(), host);
  const auto device = layer.open_over(disk);
  CHECK(device->geometry().flags == (Flag::promises | Flag::shortcuts));
  CHECK(device->geometry().ops == Ops::known());
  Bytes into(512);
  ExtentList list;
  Io io = Io::read(0, into, Flag::shortcuts.without(Flag::lend_only));
  io.set_sink(&list);
  CHECK(device->process(io).ok());
  CHECK(io.lent_fd == 5);
  CHECK(host.said("flags=nowait,may_lend,may_hole,may_lend_cold result=ok"));
  Io bare = Io::lend_only(0, 512);
  CHECK(device->process(bare).ok());
  CHECK(bare.lent_fd == 5);
  CHECK(host.said("flags=nowait,may_lend,lend_only result=ok"));
}

TEST_CASE("log offers no op or flag that is newer than it") {
  FakeHost host;
  ModelDisk disk(512);
  disk.geometry().ops = Ops{~std::uint64_t{0}};
  disk.geometry().flags = Flags{~std::uint64_t{0}};
  const TestLayer layer(own_module(), host);
  CHECK(layer.open_over(disk)->geometry().ops == Ops::known());
  CHECK(layer.open_over(disk)->geometry().flags == Flags{ASHLAR_FLAGS_KNOWN});
}
