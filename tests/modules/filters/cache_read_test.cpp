// The guarantees of the filter cache (filters/cache/README.md) about what is read.
#include <fstream>
#include <thread>

#include "blocks.hpp"
#include "cache_over.hpp"
#include "catch.hpp"
#include "streams.hpp"
#include "warm_list.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using caching::Blocks;
using caching::Range;
using caching::Streams;
using caching::WarmList;
using ::testing::Scratch;

namespace {

// As a cache does: asks for a block, and brings it if it is not there. Whether it was there.
bool ask(Blocks& blocks, std::uint64_t number) {
  const Blocks::Slot slot = blocks.find(number);
  if (slot != Blocks::none) blocks.asked(slot, 0, 4096);
  else blocks.brought_for(blocks.insert(number), 4096);
  return slot != Blocks::none;
}

// How many reads a device makes below for reads of `length` at each of `offsets`.
template <class Offset>
std::size_t reads_below(CacheOver& over, int n, std::size_t length, Offset offset) {
  const auto device = over.open();
  over.disk.forget_calls();
  bool right = true;
  for (int i = 0; i != n; ++i)
    right = right && read_all(*device, offset(i), length) == part(over.before, offset(i), length);
  CHECK(right);
  return over.disk.count(Op::read);
}

}  // namespace

TEST_CASE("cache: what is used stays when much else passes through once") {
  Blocks blocks(100);
  for (int round = 0; round != 3; ++round)
    for (std::uint64_t hot = 0; hot != 50; ++hot) ask(blocks, hot);
  for (std::uint64_t once = 1000; once != 2000; ++once) ask(blocks, once);
  unsigned here = 0;
  for (std::uint64_t hot = 0; hot != 50; ++hot) here += blocks.find(hot) != Blocks::none;
  CHECK(here == 50);
  CHECK(blocks.used() == 100);
}

TEST_CASE("cache: a block that is asked for again soon after it had to go stays longer") {
  Blocks blocks(100);
  for (std::uint64_t number = 0; number != 130; ++number) ask(blocks, number);
  REQUIRE(blocks.find(5) == Blocks::none);
  ask(blocks, 5);
  for (std::uint64_t once = 1000; once != 1200; ++once) ask(blocks, once);
  CHECK(blocks.find(5) != Blocks::none);
}

TEST_CASE("cache: a block that is read bit by bit in order counts as asked for once") {
  Blocks blocks(100);
  const auto read_in_order = [&](std::uint64_t number) {
    const Blocks::Slot slot = blocks.insert(number);
    for (std::uint32_t at = 0; at != 4096; at += 512) blocks.asked(slot, at, at + 512);
  };
  for (std::uint64_t hot = 0; hot != 50; ++hot) ask(blocks, hot);
  for (std::uint64_t hot = 0; hot != 50; ++hot) ask(blocks, hot);
  for (std::uint64_t once = 1000; once != 1300; ++once) read_in_order(once);
  unsigned here = 0;
  for (std::uint64_t hot = 0; hot != 50; ++hot) here += blocks.find(hot) != Blocks::none;
  CHECK(here == 50);
}

TEST_CASE("cache: what is dirty or in use keeps its slot") {
  Blocks blocks(16);
  for (std::uint64_t number = 0; number != 16; ++number) {
    const Blocks::Slot slot = blocks.insert(number);
    if (number % 2 == 0) blocks.set_dirty(slot, 0b11);
    else blocks[slot].pins = 1;
  }
  CHECK(blocks.insert(99) == Blocks::none);
  CHECK(blocks.dirty_units() == 16);
  const Blocks::Slot oldest = blocks.oldest_dirty();
  CHECK(blocks[oldest].number == 0);
  blocks.clear_dirty(oldest, 0b11);
  CHECK(blocks.insert(99) == oldest);
  CHECK(blocks.find(0) == Blocks::none);
  CHECK(blocks.dirty_units() == 14);
}

TEST_CASE("cache: reads that follow each other are seen in any direction") {
  const auto ahead = [](std::int64_t from, std::int64_t distance, std::uint64_t length) {
    Streams streams;
    Range one{};
    for (std::int64_t i = 0; i != 5; ++i) {
      const auto begin = static_cast<std::uint64_t>(from + i * distance);
      one = {begin, begin + length};
      streams.note(one);
    }
    const Range found = streams.with_ahead(one, 1 << 20);
    return Range{one.begin - found.begin, found.end - one.end};
  };
  CHECK((ahead(0, 4096, 4096) == Range{0, 128 << 10}));
  CHECK((ahead(1 << 20, -4096, 4096) == Range{128 << 10, 0}));
  CHECK(ahead(0, 200 << 10, 64 << 10) == Range{0, 200 << 10});
  CHECK(ahead(0, 512 << 10, 4096) == Range{0, 0});  // most of it would be for nothing
  CHECK((ahead(0, 0, 4096) == Range{0, 0}));
}

TEST_CASE("cache: a list of what is read together") {
  const WarmList list(
      std::vector<Range>{{1 << 20, (1 << 20) + 4096}, {0, 4096}, {8192, 12288}, {10000, 9000}, {4096, 5000}});
  CHECK(list.ranges() == std::vector<Range>{{0, 12288}, {1 << 20, (1 << 20) + 4096}});
  CHECK(list.around(6000) == Range{0, 12288});
  CHECK(list.around(12288).empty());
  CHECK(list.around(500000).empty());
  std::vector<Range> many;
  for (std::uint64_t i = 0; i != 1000; ++i) many.push_back({i * 65536, i * 65536 + 4096});
  bool short_enough = true;
  const WarmList cut(many);
  for (const Range& range : cut.ranges()) short_enough = short_enough && range.length() <= WarmList::longest;
  CHECK(short_enough);
}

TEST_CASE("cache: a list that is none is refused with its line") {
  const Scratch scratch;
  for (const char* text :
       {"x", "1", "1 2 3", "-1 5", "1 9223372036854775807", "18446744073709551616 1", "1,2", "1 2x"}) {
    std::ofstream(scratch.path("boot.list")) << "# offset length\n\n4096 4096\r\n" << text << "\n";
    CHECK(refusal([&] {
            CacheOver(Given{{"warm", scratch.path("boot.list")}});
          }).find("boot.list:4: ") != std::string::npos);
  }
  CHECK(refusal([&] {
          CacheOver(Given{{"warm", scratch.path("none")}});
        }) == "cannot open " + scratch.path("none") + ": No such file or directory");
}

TEST_CASE("cache: parameters that do not fit each other are refused") {
  CHECK(refusal([] { CacheOver(Given{{"block_size", "5000"}}); }).find("is not a power of two") != std::string::npos);
  CHECK(refusal([] { CacheOver(Given{{"block_size", "65536"}}); }).find("less than 16 blocks") != std::string::npos);
  CHECK(refusal([] { CacheOver(Given{{"readahead", "much"}}); }).find("readahead: \"much\" is not a size") == 0);
  CHECK(refusal([] { CacheOver(Given{{"readahead", "33M"}}); }).find("more than 32M") != std::string::npos);
  CHECK(refusal([] { CacheOver(Given{{"max_dirty", "8192"}}); }).find("needs write = \"back\"") != std::string::npos);
  CHECK(refusal([] { CacheOver(back({{"max_dirty", "200000"}})); }).find("more than half") != std::string::npos);
  CHECK(refusal([] {
          CacheOver over;
          over.disk.geometry().minimum = 8192;
          over.disk.geometry().preferred = 8192;
          over.open();
        }).find("less than the 8192 byte blocks") != std::string::npos);
}

TEST_CASE("cache: what was read is not asked for below again") {
  const Scratch scratch;
  for (const Given& given : {Given{}, Given{{"store", scratch.path("")}}}) {
    CacheOver over(given);
    const auto device = over.open();
    CHECK(read_all(*device, 5000, 3000) == part(over.before, 5000, 3000));
    CHECK(over.disk.calls() == Calls{{Op::read, 4096, 4096, {}}});
    CHECK((read_all(*device, 4096, 4096) == part(over.before, 4096, 4096)));
    CHECK(read_all(*over.open(), 4096, 100) == part(over.before, 4096, 100));
    CHECK(over.disk.calls().size() == 1);
    CHECK(read_all(*device, 1'000'000, 1) == part(over.before, 1'000'000, 1));
    CHECK((read_all(*device, 100, 999'901) == part(over.before, 100, 999'901)));
    CHECK(over.host.metrics().value("cache_hits") == 2);
    CHECK(over.host.metrics().value("cache_misses") == 3);
    CHECK(over.disk.breaches().empty());
    CHECK(over.verb("status").find("used 262144\n") != std::string::npos);
    CHECK(over.verb("drop") == "262144 bytes dropped\n");
    over.disk.forget_calls();
    read_all(*device, 999'000, 10);
    CHECK(over.disk.calls().size() == 1);
  }
}

TEST_CASE("cache: a try without waiting reads what is here, and nothing else") {
  CacheOver over;
  const auto device = over.open();
  Bytes into(100);
  CHECK(device->read(0, into, Flag::nowait) == Status::would_block());
  CHECK(over.disk.calls().empty());
  read_all(*device, 0, 1);
  CHECK(device->read(0, into, Flag::nowait).ok());
  CHECK(into == part(over.before, 0, 100));
}

TEST_CASE("cache: sequential, backward and strided reads make few requests below") {
  const Given with{{"readahead", "auto"}, {"size", "4M"}};
  CacheOver forward(with), backward(with), strided(with), random(with), off;
  CHECK(reads_below(forward, 240, 4096, [](int i) { return std::uint64_t(i) * 4096; }) < 12);
  CHECK(reads_below(backward, 240, 4096, [](int i) { return std::uint64_t(239 - i) * 4096; }) < 12);
  CHECK(reads_below(strided, 60, 4096, [](int i) { return std::uint64_t(i) * 16384; }) < 12);
  CHECK(reads_below(off, 240, 4096, [](int i) { return std::uint64_t(i) * 4096; }) == 240);
  // Far apart, and none near another.
  static constexpr int order[] = {7, 2, 9, 0, 5, 3, 8, 1, 6, 4};
  CHECK(reads_below(random, 10, 4096, [](int i) { return std::uint64_t(order[i]) * 98304; }) == 10);
  CHECK(random.host.metrics().value("cache_ahead_bytes") == 0);
}

TEST_CASE("cache: what is on the list is read with one request") {
  const Scratch scratch;
  std::ofstream(scratch.path("boot.list")) << "# offset length\n40960 4096\n8192 12288\n900000 1000000\n";
  CacheOver over(Given{{"warm", scratch.path("boot.list")}, {"size", "4M"}});
  const auto device = over.open();
  CHECK(read_all(*device, 41000, 10) == part(over.before, 41000, 10));
  CHECK(over.disk.calls() == Calls{{Op::read, 8192, 36864, {}}});
  CHECK(read_all(*device, 9000, 10000) == part(over.before, 9000, 10000));
  CHECK(over.disk.calls().size() == 1);
  CHECK(over.host.control().call_over(over.disk, "warm") ==
        std::to_string(1'000'001 - 900'000 / 4096 * 4096) + " bytes loaded\n");
  over.disk.forget_calls();
  CHECK((read_all(*device, 900'000, 100'001) == part(over.before, 900'000, 100'001)));
  CHECK(over.disk.calls().empty());
}

TEST_CASE("cache: the request CACHE loads, but no more than half of what is kept") {
  CacheOver over;
  over.disk.geometry().ops = over.disk.geometry().ops.without(Op::cache);
  const auto device = over.open();
  CHECK(device->cache(8192, 4096).ok());
  CHECK(over.disk.calls() == Calls{{Op::read, 8192, 4096, {}}});
  CHECK((read_all(*device, 8192, 4096) == part(over.before, 8192, 4096)));
  CHECK(over.disk.calls().size() == 1);
  CHECK(device->cache(0, 1'000'001).ok());
  CHECK(over.verb("status").find("used 262144\n") == std::string::npos);
}

TEST_CASE("cache: an error of what was not asked for is nobody's") {
  CacheOver over(Given{{"readahead", "auto"}, {"size", "4M"}});
  const auto device = over.open();
  over.disk.fail_call(2, Status::io_error());
  for (std::uint64_t at = 0; at != 3 * 4096; at += 4096)
    CHECK((read_all(*device, at, 4096) == part(over.before, at, 4096)));
  CHECK(over.disk.calls()[2].length > 100'000);
  CHECK(over.disk.calls()[3] == Call{Op::read, 8192, 4096, {}});
  over.disk.forget_calls();
  over.disk.fail_call(0, Status::io_error());
  while (over.disk.calls().empty()) read_all(*device, 600'000, 1);
  CHECK(over.disk.count(Op::read) == 2);  // the block, and then the unit alone
  over.disk.fail(Op::read, Status{EREMOTEIO});
  Bytes into(1);
  CHECK(device->read(700'000, into) == Status{EREMOTEIO});
}

TEST_CASE("cache: several who miss one block make one request below") {
  CacheOver over;
  const auto device = over.open();
  std::atomic<bool> waited{false};
  over.disk.on_call([&](const Call&) { waited = holds_in_time([&] { return over.host.wait().waiting() == 3; }); });
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (std::size_t t = 0; t != 4; ++t)
    threads.emplace_back([&, t] { right += read_all(*device, t * 1000, 900) == part(over.before, t * 1000, 900); });
  for (std::thread& thread : threads) thread.join();
  CHECK(waited);
  CHECK(right == 4);
  CHECK(over.disk.count(Op::read) == 1);
}
