// The guarantees of the filter cache (filters/cache/README.md) about what is written.
#include <ashlar/extents.hpp>
#include <thread>

#include "../random_model.hpp"
#include "cache_over.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

std::vector<ListedExtent> extents(const TestDevice& device, std::uint64_t offset, std::uint64_t length, Flags f = {}) {
  ExtentList list;
  CHECK(device.extents(offset, length, list, f).ok());
  return list.extents();
}

}  // namespace

TEST_CASE("cache: through: a write is below when it is done, and is not read from there again") {
  CacheOver over;
  const auto device = over.open();
  CHECK(device->write(4096, bytes_of(8192, 7)).ok());
  CHECK(device->write(5000, bytes_of(10, 8), Flag::fua).ok());
  Bytes expected = over.before;
  put(expected, 4096, bytes_of(8192, 7));
  put(expected, 5000, bytes_of(10, 8));
  CHECK((over.disk.bytes() == expected));
  CHECK(over.disk.durable()[5005] == std::byte{8});
  CHECK(over.disk.count(Op::write) == 2);
  CHECK((read_all(*device, 4096, 8192) == part(expected, 4096, 8192)));
  CHECK(over.disk.count(Op::read) == 0);
  CHECK(device->flush().ok());
  CHECK(over.disk.count(Op::flush) == 1);
}

TEST_CASE("cache: through: what a failed write has left below is read from there") {
  CacheOver over;
  const auto device = over.open();
  read_all(*device, 0, 8192);
  over.disk.forget_calls();
  over.disk.fail_call(0, Status::io_error());
  CHECK(device->write(0, bytes_of(4096, 7)) == Status::io_error());
  over.disk.bytes()[17] = std::byte{99};
  CHECK(read_all(*device, 17, 1)[0] == std::byte{99});
}

TEST_CASE("cache: zero and trim go below, and what was kept of the range is forgotten") {
  for (const Given& given : {Given{}, back()}) {
    CacheOver over(given);
    const auto device = over.open();
    read_all(*device, 0, 16384);
    CHECK(device->write(100, bytes_of(12000, 7)).ok());
    CHECK(device->zero(200, 10000, Flag::may_trim | Flag::fua).ok());
    Bytes expected = over.before;
    put(expected, 100, bytes_of(12000, 7));
    std::fill(expected.begin() + 200, expected.begin() + 10200, std::byte{0});
    CHECK((read_all(*device, 0, 16384) == part(expected, 0, 16384)));
    CHECK(part(over.disk.durable(), 200, 10000) == bytes_of(10000, 0));
    CHECK(device->trim(0, 1'000'001).ok());
    CHECK((read_all(*device, 0, 4096) == bytes_of(4096, 0xdb)));
    CHECK(device->zero(0, 1'000'001, Flag::fast).ok());
    CHECK((read_all(*device, 12000, 4096) == bytes_of(4096, 0)));
    CHECK(over.disk.breaches().empty());
  }
}

TEST_CASE("cache: back: writes are kept until a flush, which makes them durable") {
  const Scratch scratch;
  for (const Given& given : {back(), back({{"store", scratch.path("")}})}) {
    CacheOver over(given);
    const auto device = over.open();
    CHECK(device->write(4096, bytes_of(8192, 7)).ok());
    CHECK(device->write(999'999, bytes_of(2, 9)).ok());  // within a unit: it is read first
    CHECK(over.disk.count(Op::write) == 0);
    CHECK(over.host.metrics().value("cache_dirty_bytes") == 8192 + 512);
    Bytes expected = over.before;
    put(expected, 4096, bytes_of(8192, 7));
    put(expected, 999'999, bytes_of(2, 9));
    CHECK((read_all(*device, 0, 1'000'001) == expected));
    CHECK(device->flush().ok());
    CHECK((over.disk.durable() == expected));
    CHECK(over.disk.count(Op::write) == 2);
    CHECK(device->flush().ok());
    CHECK(over.disk.count(Op::write) == 2);
    CHECK(over.host.metrics().value("cache_dirty_bytes") == 0);
  }
}

TEST_CASE("cache: back: a flush covers what other connections wrote") {
  CacheOver over(back());
  const auto one = over.open(), other = over.open();
  CHECK(one->geometry().multi_conn);
  CHECK(one->write(0, bytes_of(512, 7)).ok());
  CHECK(other->flush().ok());
  CHECK(part(over.disk.durable(), 0, 512) == bytes_of(512, 7));
}

TEST_CASE("cache: back: FUA is durable when it is done, and only that") {
  CacheOver over(back());
  const auto device = over.open();
  CHECK(device->write(0, bytes_of(512, 6)).ok());
  CHECK(device->write(8192, bytes_of(512, 7), Flag::fua).ok());
  CHECK(part(over.disk.durable(), 8192, 512) == bytes_of(512, 7));
  CHECK(over.disk.calls() == Calls{{Op::write, 8192, 512, Flag::fua}});
}

TEST_CASE("cache: back: what is written back while its block is loaded is not undone by what was loaded") {
  CacheOver over(back());
  const auto device = over.layer->open_over(over.flaky), other = over.layer->open_over(over.flaky);
  CHECK(device->write(512, bytes_of(512, 7)).ok());
  bool once = true;
  over.flaky.on_read([&] {
    if (!std::exchange(once, false)) return;
    CHECK(other->flush().ok());
    for (std::uint64_t at = 4096; at < 900'000; at += 4096) read_all(*other, at, 1);  // so that it has to go
  });
  Bytes expected = part(over.before, 0, 4096);
  put(expected, 512, bytes_of(512, 7));
  CHECK((read_all(*device, 0, 4096) == expected));
  CHECK((read_all(*device, 0, 4096) == expected));
}

TEST_CASE("cache: back: a try without waiting that needs nothing below is kept at once") {
  CacheOver over(back());
  const auto device = over.open();
  CHECK(device->write(512, bytes_of(1024, 7), Flag::nowait).ok());
  CHECK(device->write(600, bytes_of(10, 8), Flag::nowait).ok());
  CHECK(device->write(10, bytes_of(10, 8), Flag::nowait) == Status::would_block());      // a part of a unit
  CHECK(device->write(4000, bytes_of(1000, 8), Flag::nowait) == Status::would_block());  // two blocks
  CHECK(device->write(512, bytes_of(512, 7), Flag::nowait | Flag::fua) == Status::would_block());
  CHECK(device->process(Io(Op::flush, 0, 0, Flag::nowait)) == Status::would_block());
  CHECK(over.disk.calls().empty());
  Bytes expected = part(over.before, 0, 4096);
  put(expected, 512, bytes_of(1024, 7));
  put(expected, 600, bytes_of(10, 8));
  CHECK((read_all(*device, 0, 4096) == expected));
}

TEST_CASE("cache: back: no more than max_dirty is kept from the layer below, the oldest goes first") {
  CacheOver over(back({{"max_dirty", "16384"}}));
  const auto device = over.open();
  for (std::uint64_t i = 0; i != 8; ++i) {
    CHECK(device->write(i * 8192, bytes_of(4096, 7)).ok());
    CHECK(over.host.metrics().value("cache_dirty_bytes") <= 16384);
  }
  CHECK(over.disk.calls() == Calls{{Op::write, 0, 4096, {}},
                                   {Op::write, 8192, 4096, {}},
                                   {Op::write, 16384, 4096, {}},
                                   {Op::write, 24576, 4096, {}}});
}

TEST_CASE("cache: back: what is larger than all that can be kept is written all the same") {
  CacheOver over(back({{"size", "65536"}}));
  const auto device = over.open();
  CHECK(device->write(1, bytes_of(900'000, 7)).ok());
  Bytes expected = over.before;
  put(expected, 1, bytes_of(900'000, 7));
  CHECK((read_all(*device, 0, 1'000'001) == expected));
  CHECK(device->flush().ok());
  CHECK((over.disk.durable() == expected));
}

TEST_CASE("cache: back: a write-back that fails is told by the next flush, and loses nothing") {
  CacheOver over(back({{"max_dirty", "4096"}}));
  const auto device = over.layer->open_over(over.flaky);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  over.flaky.fail_one_of(1);
  // There is no room for it, and below it fails, too.
  CHECK(device->write(8192, bytes_of(4096, 8)) == Status::io_error());
  CHECK(over.host.said("it is kept, and the next flush tells"));
  CHECK(device->flush() == Status::io_error());
  CHECK((read_all(*device, 0, 4096) == bytes_of(4096, 7)));
  over.flaky.fail_one_of(0);
  CHECK(device->flush().ok());
  CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 7)));
  // One that no flush has seen fail.
  CHECK(device->write(0, bytes_of(4096, 9)).ok());
  over.flaky.fail_one_of(1);
  CHECK(device->write(8192, bytes_of(4096, 8)).failed());
  over.flaky.fail_one_of(0);
  CHECK(device->flush() == Status::io_error());
  CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 9)));
  CHECK(device->flush().ok());
}

TEST_CASE("cache: back: an error of flush or FUA below is the answer") {
  CacheOver over(back());
  const auto device = over.open();
  CHECK(device->write(0, bytes_of(512, 7)).ok());
  over.disk.forget_calls();
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(device->flush() == Status{EREMOTEIO});
  over.disk.forget_calls();
  over.disk.fail_call(0, Status{EREMOTEIO});
  CHECK(device->write(0, bytes_of(512, 8), Flag::fua) == Status{EREMOTEIO});
}

TEST_CASE("cache: back: what is dirty is written below when the last connection closes") {
  CacheOver over(back());
  auto one = over.open(), other = over.open();
  CHECK(one->write(0, bytes_of(4096, 7)).ok());
  one.reset();
  CHECK(over.disk.count(Op::write) == 0);
  other.reset();
  CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 7)));
}

TEST_CASE("cache: back: what cannot be written at the close is kept for who comes next, and told") {
  CacheOver over(back());
  over.flaky.fail_one_of(1);
  {
    const auto device = over.layer->open_over(over.flaky);
    CHECK(device->write(0, bytes_of(4096, 7)).ok());
  }
  CHECK(over.host.said("cannot be written below"));
  over.flaky.fail_one_of(0);
  {
    const auto device = over.layer->open_over(over.flaky);
    CHECK((read_all(*device, 0, 4096) == bytes_of(4096, 7)));
    CHECK(device->flush() == Status::io_error());
    CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 7)));
    over.flaky.fail_one_of(1);
    CHECK(device->write(0, bytes_of(4096, 8)).ok());
  }
  CHECK_FALSE(over.host.said("are lost"));
  over.layer.reset();
  CHECK(over.host.said("4096 bytes that were written are lost"));
}

TEST_CASE("cache: back: what is dirty is told of as allocated") {
  CacheOver over(back());
  over.disk.set_state(0, 1'000'001, Extent::sparse);
  const auto device = over.open();
  CHECK(extents(*device, 0, 100'000)[0].state == Extent::sparse);
  CHECK(device->write(4096, bytes_of(1024, 7)).ok());
  CHECK(device->write(8192, bytes_of(512, 7)).ok());
  CHECK(extents(*device, 0, 100'000) == std::vector<ListedExtent>{{4096, Extent::sparse},
                                                                  {1024, Extent::allocated},
                                                                  {3072, Extent::sparse},
                                                                  {512, Extent::allocated},
                                                                  {100'000 - 8704, Extent::sparse}});
  CHECK(extents(*device, 4100, 10) == std::vector<ListedExtent>{{10, Extent::allocated}});
  CHECK(extents(*device, 0, 100'000, Flag::req_one).size() == 1);
}

TEST_CASE("cache: a layer below that has become longer is seen when nobody uses what is kept") {
  CacheOver over;
  ModelDisk longer(1'100'000);
  longer.fill();
  {
    const auto device = over.open();
    read_all(*device, 999'000, 10);
    CHECK(refusal([&] { over.layer->open_over(longer); }).find("has 1100000 bytes, and had 1000001") !=
          std::string::npos);
  }
  const auto device = over.layer->open_over(longer);
  CHECK((read_all(*device, 990'000, 100'000) == part(longer.bytes(), 990'000, 100'000)));
}

TEST_CASE("cache: connections that have a disk each below have a cache each") {
  CacheOver over(back());
  over.disk.geometry().multi_conn = false;
  ModelDisk other(1'000'001);
  other.geometry().multi_conn = false;
  const auto one = over.open(), two = over.layer->open_over(other);
  CHECK(one->write(0, bytes_of(512, 7)).ok());
  CHECK(read_all(*two, 0, 512) == bytes_of(512, 0));
  CHECK_FALSE(one->geometry().multi_conn);
  CHECK(refusal([&] { over.verb("drop"); }).find("nothing is kept for all connections") == 0);
}

TEST_CASE("cache: random requests") {
  const Scratch scratch;
  const Given ahead{{"readahead", "auto"}, {"size", "524288"}};
  for (const Given& given : {Given{}, ahead, back(), back({{"max_dirty", "32768"}, {"readahead", "auto"}}),
                             back({{"store", scratch.path("")}, {"block_size", "16384"}})}) {
    CacheOver over(given);
    Bytes expected;
    {
      const auto device = over.layer->open_over(over.flaky);
      over.flaky.fail_one_of(given.empty() ? 0 : 5);
      const auto ask = [&](Io& io) {
        Status s = device->process(io);
        while (s == Status::io_error()) s = device->process(io);
        return s;
      };
      RandomModel model(ask, device->geometry(), over.before);
      CHECK_NOTHROW(model.run(RandomModel::operations() / 5));
      expected = model.contents();
      over.flaky.fail_one_of(0);
    }
    CHECK((over.disk.bytes() == expected));
    CHECK(over.disk.breaches().empty());
  }
}

TEST_CASE("cache: random requests of several connections at once, with writes that fail below") {
  CacheOver over(back({{"max_dirty", "65536"}, {"readahead", "auto"}}));
  constexpr std::uint64_t threads = 4, share = 250'000;  // which is no multiple of a block or a unit
  std::array<Bytes, threads> expected;
  std::array<std::string, threads> wrong;
  over.flaky.fail_one_of(7);
  {
    std::vector<std::unique_ptr<TestDevice>> devices;
    for (std::uint64_t t = 0; t != threads; ++t) devices.push_back(over.layer->open_over(over.flaky));
    std::vector<std::thread> all;
    for (std::uint64_t t = 0; t != threads; ++t)
      all.emplace_back([&, t] {
        const auto ask = [&, t](Io& io) {
          const std::uint64_t offset = io.offset();
          if (io.op() != Op::flush) io.set_offset(offset + t * share);
          Status s;
          do s = cut_extents(io, share - offset, [&](Io& one) { return devices[t]->process(one); });
          while (s == Status::io_error());
          io.set_offset(offset);
          return s;
        };
        try {
          Geometry geometry = devices[t]->geometry();
          geometry.size = share;
          RandomModel model(ask, geometry, part(over.before, t * share, share), t + 1);
          model.run(RandomModel::operations() / 4);
          expected[t] = model.contents();
        } catch (const std::exception& e) {
          wrong[t] = e.what();
        }
      });
    for (std::thread& thread : all) thread.join();
    over.flaky.fail_one_of(0);
  }
  for (std::uint64_t t = 0; t != threads; ++t) {
    CHECK(wrong[t] == "");
    CHECK((part(over.disk.bytes(), t * share, share) == expected[t]));
  }
}
