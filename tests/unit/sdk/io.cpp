// One request, seen through Io; sinks; the host's log.
#include <array>
#include <ashlar/extents.hpp>
#include <ashlar/host.hpp>
#include <ashlar/testing/extent_list.hpp>
#include <ashlar/testing/fake_host.hpp>
#include <string>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

TEST_CASE("an Io starts as the ABI wants it") {
  std::array<std::byte, 16> bytes{};
  const Io io = Io::read(100, bytes, Flag::nowait);
  CHECK(io.struct_size == sizeof(ashlar_io));
  CHECK(io.op() == Op::read);
  CHECK(io.offset() == 100);
  CHECK(io.length() == 16);
  CHECK(io.end() == 116);
  CHECK(io.has(Flag::nowait));
  CHECK(io.buffer().data() == bytes.data());
  CHECK(io.sink() == nullptr);
  CHECK_FALSE(io.lent());
  CHECK(io.lent_cold == 0);
}

TEST_CASE("whatever a layer answers but -1 is a claim to have lent") {
  std::array<std::byte, 16> bytes{};
  Io io = Io::read(0, bytes, Flag::may_lend);
  io.lend(3, 4096);
  CHECK(io.lent());
  CHECK(io.lent_fd == 3);
  CHECK(io.lent_offset == 4096);
  io.lent_fd = -5;  // no descriptor, but the bytes are not in the buffer either
  CHECK(io.lent());
  io.lend_cold(3, 0);
  CHECK(io.lent_cold == 1);
}

TEST_CASE("a sink takes extents and says when it has enough") {
  int taken = 0;
  ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
    CHECK(bytes == 512);
    CHECK(state == Extent::sparse);
    return ++taken < 2;
  });
  Io io(Op::extents, 0, 4096);
  io.set_sink(&sink);
  CHECK(io.add_extent(512, Extent::sparse));
  CHECK_FALSE(io.add_extent(512, Extent::sparse));
  CHECK(taken == 2);
}

TEST_CASE("an extent list merges equal neighbours and keeps to its limit") {
  ExtentList list(2);
  const auto add = [&](std::uint64_t n, ExtentState s) {
    return list.add(&list, n, static_cast<std::uint32_t>(s.bits()));
  };
  CHECK(add(1, Extent::zero) == 0);
  CHECK(add(2, Extent::zero) == 0);
  CHECK(add(4, Extent::allocated) == 0);
  CHECK(add(8, Extent::hole) == 1);
  CHECK(list.extents() == std::vector<ListedExtent>{{3, Extent::zero}, {4, Extent::allocated}});
  CHECK(list.total() == 7);
  CHECK_FALSE(list.had_empty());
  CHECK(add(0, Extent::hole) == 0);
  CHECK(list.had_empty());
}

TEST_CASE("a log line is formatted only when its level is on, and cut when it is long") {
  FakeHost fake(Level::warn);
  const Host host(fake.services());
  CHECK_FALSE(host.logs(Level::info));
  CHECK(host.logs(Level::warn));
  host.log(Level::info, "not %s", "this");
  host.log(Level::error, "%d and %s", 7, "more");
  host.log(Level::error, "%s", std::string(5000, 'x').c_str());
  REQUIRE(fake.lines().size() == 2);
  CHECK(fake.lines()[0].level == Level::error);
  CHECK(fake.lines()[0].text == "7 and more");
  CHECK(fake.lines()[1].text == std::string(1023, 'x'));
  CHECK(host.extension("ashlar.no-such-thing/1") == nullptr);
}

TEST_CASE("a host that was never given logs nothing") {
  const Host host;
  CHECK_FALSE(host.logs(Level::error));
  host.log(Level::error, "nobody listens");
  CHECK(host.extension("x") == nullptr);
}
