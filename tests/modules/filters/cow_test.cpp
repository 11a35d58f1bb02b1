// The guarantees of the filter cow (filters/cow/README.md), but for what other files of this folder have.
#include <chrono>
#include <thread>

#include "../random_model.hpp"
#include "cow_over.hpp"
#include "map.hpp"

using namespace ashlar;
using namespace ashlar::testing;

TEST_CASE("cow: where blocks are") {
  Map map(100000);
  const auto is = [&](std::uint64_t begin, std::uint64_t end, Where where, std::uint64_t run_end) {
    const Map::Run run = map.run(begin, end);
    return run.where == where && run.end == run_end;
  };
  CHECK(is(0, 100000, Where::base, 100000));
  map.set(77, Where::overlay);
  map.set(78, Where::hole);
  map.set(79, Where::reserved);
  CHECK(is(0, 100000, Where::base, 77));
  CHECK(is(0, 50, Where::base, 50));
  CHECK(is(77, 100000, Where::overlay, 78));
  CHECK(is(79, 100000, Where::reserved, 80));
  CHECK(is(80, 100000, Where::base, 100000));
  CHECK(is(99999, 100000, Where::base, 100000));
  CHECK(map.count_room() == 2);
  std::vector<std::byte> page(Map::page_bytes);
  map.save(0, page);
  Map other(100000);
  other.load(0, page);
  CHECK(other.at(78) == Where::hole);
  other.clear();
  CHECK(other.at(78) == Where::base);
}

TEST_CASE("cow: scope is needed, and path is for an export") {
  FakeHost host;
  CHECK_THROWS_AS(TestLayer(own_module(), host, {}), std::invalid_argument);
  CHECK(refusal([&] {
          TestLayer(own_module(), host, {{"scope", "connection"}, {"path", "/x"}});
        }).find("path needs scope = \"export\"") == 0);
  CHECK(refusal([&] {
          TestLayer(own_module(), host, {{"scope", "export"}, {"block_size", "5000"}});
        }) == "block_size = 5000 is not a power of two");
}

TEST_CASE("cow: max_size has room for a block") {
  FakeHost host;
  const auto refused = [&](const char* most) {
    return refusal([&] { TestLayer(own_module(), host, per_export({{"block_size", "1M"}, {"max_size", most}})); });
  };
  CHECK(refused("1048575") == "max_size = 1048575 is less than one block of 1048576 bytes (block_size)");
  CHECK(refused("1048576").empty());
}

TEST_CASE("cow: the base is never written, and what was written is read") {
  for (const char* scope : {"connection", "export"}) {
    Over over(Given{{"scope", scope}});
    const auto device = over.layer->open_over(over.disk);
    CHECK(device->geometry().multi_conn == (scope == std::string("export")));
    Bytes expected = over.before;
    put(expected, 5000, bytes_of(10, 7));
    CHECK(device->write(5000, bytes_of(10, 7), Flag::fua).ok());
    put(expected, 8192, bytes_of(8192, 8));
    CHECK(device->write(8192, bytes_of(8192, 8)).ok());
    put(expected, 300000, bytes_of(1, 9));
    CHECK(device->write(300000, bytes_of(1, 9)).ok());
    CHECK(device->flush().ok());
    CHECK(read_all(*device, 0, 300001) == expected);
    const auto other = over.layer->open_over(over.disk);
    CHECK(read_all(*other, 0, 300001) == (scope == std::string("export") ? expected : over.before));
    CHECK(over.base_is_untouched());
  }
}

TEST_CASE("cow: a whole block is not read from the base before it is written") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  over.disk.forget_calls();
  CHECK(device->write(8192, bytes_of(8192, 8)).ok());
  CHECK(device->zero(16384, 8192).ok());
  CHECK(device->trim(32768, 8192).ok());
  CHECK(over.disk.calls().empty());
  CHECK(device->write(4096, bytes_of(1, 8)).ok());
  CHECK(over.disk.calls() == Calls{{Op::read, 4096, 4096, {}}});
  CHECK(device->write(4097, bytes_of(1, 8)).ok());
  CHECK(over.disk.calls().size() == 1);
}

// A write that may not wait, first of a fresh store: one that has been slow makes the next ones wait.
TEST_CASE("cow: a write that may not wait is done where one write of the store does it") {
  Over over(per_export());
  over.disk.geometry().flags |= Flag::nowait;
  const auto device = over.layer->open_over(over.disk);
  over.disk.forget_calls();
  const auto try_to_write = [&](std::uint64_t offset, std::uint64_t length) {
    return device->write(offset, bytes_of(length, 8), Flag::nowait);
  };
  Bytes expected = over.before;
  SECTION("whole blocks") {
    CHECK(try_to_write(8192, 12288).ok());
    put(expected, 8192, bytes_of(12288, 8));
    CHECK(over.disk.calls().empty());
  }
  SECTION("the last block, which is shorter") {
    CHECK(try_to_write(299008, 993).ok());
    put(expected, 299008, bytes_of(993, 8));
    CHECK(over.disk.calls().empty());
  }
  SECTION("a part of a block") {
    CHECK(try_to_write(4100, 100).ok());
    put(expected, 4100, bytes_of(100, 8));
    CHECK(over.disk.calls() == Calls{{Op::read, 4096, 4096, Flag::nowait}});
  }
  SECTION("a part of a block of zeroes") {
    CHECK(device->trim(4096, 4096).ok());
    CHECK(try_to_write(4100, 100).ok());
    put(expected, 4096, bytes_of(4096, 0));
    put(expected, 4100, bytes_of(100, 8));
    CHECK(over.disk.calls().empty());
  }
  SECTION("parts of two blocks") {
    CHECK(try_to_write(8100, 200) == Status::would_block());
    CHECK(over.disk.calls().empty());
  }
  SECTION("a base that would block") {
    over.disk.block_always();
    CHECK(try_to_write(4100, 100) == Status::would_block());
  }
  SECTION("a block that another one copies") {
    over.disk.on_call([&](const Call&) {
      CHECK(try_to_write(4196, 100) == Status::would_block());
      CHECK(try_to_write(4096, 4096) == Status::would_block());
    });
    CHECK(device->write(4100, bytes_of(100, 9)).ok());
    over.disk.on_call({});
    put(expected, 4100, bytes_of(100, 9));
  }
  CHECK(over.host.blocking().writes() == 0);
  CHECK(read_all(*device, 0, 300001) == expected);
}

TEST_CASE("cow: a write that may not wait does not ask a base that might") {
  Over over(per_export());
  over.disk.geometry().flags = over.disk.geometry().flags.without(Flag::nowait);
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(4100, bytes_of(100, 8), Flag::nowait) == Status::would_block());
  CHECK(device->write(4096, bytes_of(4096, 8), Flag::nowait).ok());
}

TEST_CASE("cow: extents are those of the base where it shows") {
  Over over(per_export());
  over.disk.set_state(0, 20480, Extent::sparse);
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(4096, bytes_of(10, 7)).ok());
  CHECK(device->zero(40960, 4096, Flag::may_trim).ok());
  CHECK(extents(*device, 0, 65536) == std::vector<ListedExtent>{{4096, Extent::sparse},
                                                                {4096, Extent::allocated},
                                                                {12288, Extent::sparse},
                                                                {20480, Extent::allocated},
                                                                {4096, Extent::sparse},
                                                                {20480, Extent::allocated}});
  ExtentList one;
  CHECK(device->extents(0, 65536, one, Flag::req_one).ok());
  CHECK(one.extents().size() == 1);
}

TEST_CASE("cow: zeroes are recorded, and those to be kept room for are provisioned") {
  Over over(per_export({{"max_size", "65536"}}));
  const auto device = over.layer->open_over(over.disk);
  Bytes expected = over.before;
  std::fill(expected.begin() + 1000, expected.begin() + 290000, std::byte{0});
  CHECK(device->zero(4096, 282624, Flag::may_trim).ok());  // takes no room
  CHECK(device->zero(1000, 3096, Flag::may_trim).ok());
  CHECK(device->zero(286720, 3280, Flag::may_trim).ok());
  CHECK(read_all(*device, 0, 300001) == expected);
  CHECK(device->zero(8192, 8192).ok());
  CHECK(extents(*device, 8192, 8192) == std::vector<ListedExtent>{{8192, Extent::zero}});
  CHECK(device->zero(8192, 69632) == Status::no_space());
  CHECK(device->zero(8193, 4096, Flag::fast) == Status::not_supported());
  CHECK(read_all(*device, 0, 300001) == expected);
}

TEST_CASE("cow: a block that was zeroed does not show what the store has") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  CHECK(device->zero(0, 4096, Flag::may_trim).ok());
  CHECK(device->write(10, bytes_of(1, 9)).ok());
  Bytes expected(4096);
  expected[10] = std::byte{9};
  CHECK(read_all(*device, 0, 4096) == expected);
}

TEST_CASE("cow: no more than max_size") {
  Over over(per_export({{"max_size", "65536"}}));
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(0, bytes_of(65536, 7)).ok());
  CHECK(device->write(65536, bytes_of(1, 7)) == Status::no_space());
  CHECK(over.host.said("max_size = 65536"));
  CHECK(device->write(10, bytes_of(100, 8)).ok());  // there already
  CHECK(device->trim(0, 4096).ok());
  CHECK(device->write(65536, bytes_of(1, 7)).ok());
  CHECK(over.host.control().call("status").find("allocated 65536\n") != std::string::npos);
}

TEST_CASE("cow: with a max_size that is less than what a kept overlay takes, what needs no more room is written") {
  Scratch scratch;
  Over over(kept(scratch));
  CHECK(over.layer->open_over(over.disk)->write(0, bytes_of(131072, 7)).ok());
  over.given.push_back({"max_size", "65536"});
  over.start();
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->zero(0, 16384).ok());
  CHECK(device->write(4096, bytes_of(8192, 8)).ok());
  CHECK(read_all(*device, 4096, 8192) == bytes_of(8192, 8));
  CHECK_FALSE(over.host.said("has reached max_size"));
  CHECK(device->write(200704, bytes_of(1, 7)) == Status::no_space());
}

TEST_CASE("cow: on_read without room reads what it has to, and tells of nothing that fails") {
  Over over(per_export({{"on_read", "true"}, {"max_size", "65536"}}));
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(0, bytes_of(65536, 7)).ok());
  over.disk.forget_calls();
  CHECK(read_all(*device, 100000, 100) == part(over.before, 100000, 100));
  CHECK(over.disk.calls() == Calls{{Op::read, 100000, 100, {}}});
  CHECK_FALSE(over.host.said("has reached max_size"));
  CHECK(over.host.metrics().value("cow_full") == 0);
}

TEST_CASE("cow: on_read keeps what was read") {
  Over over(per_export({{"on_read", "true"}}));
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(200704, bytes_of(block, 7)).ok());  // from then on there is a file
  over.disk.forget_calls();
  CHECK(read_all(*device, 100, 10000) == part(over.before, 100, 10000));
  CHECK(over.disk.count(Op::read) == 3);
  CHECK(read_all(*device, 0, 12288) == part(over.before, 0, 12288));
  CHECK(over.disk.count(Op::read) == 3);
}

TEST_CASE("cow: an error of the base is told, and changes nothing") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  over.disk.fail_call(0, Status{EREMOTEIO});
  CHECK(device->write(10, bytes_of(1, 9)) == Status{EREMOTEIO});
  CHECK(read_all(*device, 0, 4096) == part(over.before, 0, 4096));
}

TEST_CASE("cow: a metric has the room that all overlays of the layer take") {
  Scratch scratch;
  Over over(kept(scratch));
  const auto allocated = [&] { return over.host.metrics().value("cow_allocated_bytes"); };
  auto device = over.layer->open_over(over.disk);
  CHECK(device->write(0, bytes_of(2 * block, 7)).ok());
  CHECK(device->write(0, bytes_of(block, 8)).ok());  // there already
  CHECK(device->write(5 * block + 1, bytes_of(1, 7)).ok());
  CHECK(allocated() == 3 * block);
  CHECK(device->zero(0, block, Flag::may_trim).ok());
  CHECK(allocated() == 2 * block);
  CHECK(device->flush().ok());
  device.reset();
  over.start();
  CHECK(allocated() == 0);
  device = over.layer->open_over(over.disk);
  CHECK(device->flush().ok());
  CHECK(allocated() == 2 * block);
  over.host.control().call_over(over.disk, "commit");
  CHECK(allocated() == 0);
  CHECK(device->write(0, bytes_of(block, 9)).ok());
  over.host.control().call("discard");
  CHECK(allocated() == 0);

  Over other(Given{{"scope", "connection"}, {"max_size", "65536"}});
  const auto of_both = [&] { return other.host.metrics().value("cow_allocated_bytes"); };
  const auto one = other.layer->open_over(other.disk);
  auto two = other.layer->open_over(other.disk);
  CHECK(one->write(0, bytes_of(block, 7)).ok());
  CHECK(two->write(0, bytes_of(2 * block, 7)).ok());
  CHECK(of_both() == 3 * block);
  two.reset();
  CHECK(of_both() == block);
  CHECK(one->write(0, bytes_of(65536 + block, 7)).failed());
  CHECK(other.host.metrics().value("cow_full") == 1);
}

TEST_CASE("cow: an overlay without a path is not committed, one of a connection has no verbs") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  CHECK(refusal([&] { over.host.control().call_over(over.disk, "commit"); }).find("only an overlay with path") == 0);
  Over other(Given{{"scope", "connection"}});
  CHECK(refusal([&] { other.host.control().call("discard"); }).find("scope = \"connection\"") == 0);
}

TEST_CASE("cow: random requests") {
  Scratch scratch;
  for (const Given& given : {Given{{"scope", "connection"}}, per_export({{"on_read", "true"}}), kept(scratch)}) {
    Over over(given);
    auto device = over.layer->open_over(over.disk);
    RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), over.before);
    CHECK_NOTHROW(model.run(RandomModel::operations() / 3));
    CHECK(over.base_is_untouched());
    if (given.back().second != "export" || given.size() != 2 || given[0].first != "path") continue;
    CHECK(device->flush().ok());
    device.reset();
    over.start();
    device = over.layer->open_over(over.disk);
    CHECK(read_all(*device, 0, 300001) == model.contents());
  }
}

TEST_CASE("cow: writes of the same blocks by several threads all stay") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  std::vector<std::thread> threads;
  for (unsigned t = 0; t != 4; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t at = t * 100; at < 290000; at += 400)
        if (device->write(at, bytes_of(100, t + 1)).failed()) std::abort();
    });
  for (std::thread& thread : threads) thread.join();
  const Bytes found = read_all(*device, 0, 290000);
  bool all = true;
  for (std::uint64_t at = 0; at != 290000; ++at) all = all && found[at] == std::byte(at / 100 % 4 + 1);
  CHECK(all);
}

TEST_CASE("cow: who writes to a block that is being copied waits") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  over.disk.forget_calls();
  over.disk.on_call([](const Call&) { std::this_thread::sleep_for(std::chrono::milliseconds(50)); });
  std::thread other([&] {
    if (device->write(0, bytes_of(100, 7)).failed()) std::abort();
  });
  CHECK(device->write(2000, bytes_of(100, 8)).ok());
  other.join();
  CHECK(over.disk.count(Op::read) == 1);
  Bytes expected = part(over.before, 0, block);
  put(expected, 0, bytes_of(100, 7));
  put(expected, 2000, bytes_of(100, 8));
  CHECK(read_all(*device, 0, block) == expected);
}
