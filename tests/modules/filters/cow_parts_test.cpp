// The filter cow without `path`: of a block it keeps the parts that were written, and copies no more than their edges.
#include <algorithm>
#include <cstdlib>
#include <thread>

#include "../random_model.hpp"
#include "cow_over.hpp"
#include "parts.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

constexpr std::uint64_t large = 65536, part_bytes = 4096;  // a block, and its parts

Given large_blocks(Given more = {}) {
  more.push_back({"block_size", std::to_string(large)});
  return per_export(more);
}

}  // namespace

TEST_CASE("cow: which parts are there") {
  Parts parts(1000);
  const auto is = [&](std::uint64_t begin, std::uint64_t end, bool there, std::uint64_t run_end) {
    const Parts::Run run = parts.run(begin, end);
    return run.there == there && run.end == run_end;
  };
  CHECK(is(0, 1000, false, 1000));
  parts.add(63, 65);
  CHECK(is(0, 1000, false, 63));
  CHECK(is(0, 20, false, 20));
  CHECK(is(63, 1000, true, 65));
  CHECK(is(64, 1000, true, 65));
  CHECK(is(65, 1000, false, 1000));
  parts.add(65, 512);
  CHECK(is(63, 1000, true, 512));
  CHECK(is(100, 300, true, 300));
  CHECK(is(512, 1000, false, 1000));
  parts.add(999, 1000);
  CHECK(is(512, 1000, false, 999));
  CHECK(is(999, 1000, true, 1000));
  parts.clear();
  CHECK(is(0, 1000, false, 1000));
}

TEST_CASE("cow: of a block that is written in part no more is copied than the edges of the parts") {
  Over over(large_blocks());
  const auto device = over.layer->open_over(over.disk);
  Bytes expected = over.before;
  const auto write = [&](std::uint64_t offset, std::uint64_t length, int byte) {
    over.disk.forget_calls();
    put(expected, offset, bytes_of(length, byte));
    CHECK(device->write(offset, bytes_of(length, byte)).ok());
    return over.disk.calls();
  };
  CHECK(write(8192, 4096, 7).empty());
  CHECK(write(20480, 12288, 8).empty());
  CHECK(write(4100, 100, 9) == Calls{{Op::read, 4096, 4096, {}}});
  CHECK(write(5000, 100, 10).empty());  // the part is there
  CHECK(write(11000, 100, 11).empty());
  CHECK(write(14000, 8000, 12) == Calls{{Op::read, 12288, 8192, {}}});  // up to a part that is there
  CHECK(write(60000, 20000, 13) == Calls{{Op::read, 57344, 8192, {}}, {Op::read, 77824, 4096, {}}});
  CHECK(write(300000, 1, 14) == Calls{{Op::read, 299008, 993, {}}});  // the last part is shorter
  CHECK(write(131072, 65536, 15).empty());
  CHECK(read_all(*device, 0, 300001) == expected);
  CHECK(over.host.control().call("status").find("allocated 262144\n") != std::string::npos);  // whole blocks
  CHECK(over.base_is_untouched());
  CHECK(over.host.control().call("discard") == "262144 bytes discarded\n");
  expected = over.before;
  CHECK(read_all(*device, 0, 300001) == expected);
  CHECK(write(0, 4096, 16).empty());
  CHECK(read_all(*device, 0, 300001) == expected);
}

TEST_CASE("cow: what other parts of a block have is read and lent as the base has it") {
  Over over(large_blocks());
  over.disk.geometry().flags |= Flag::nowait;
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(8192, bytes_of(4096, 7)).ok());
  CHECK(device->write(65536, bytes_of(4096, 7)).ok());
  over.disk.forget_calls();
  CHECK(read_all(*device, 12288, 8192) == part(over.before, 12288, 8192));
  CHECK(read_all(*device, 69632, 131072) == part(over.before, 69632, 131072));  // goes on in a block that is not there
  CHECK(over.disk.calls() == Calls{{Op::read, 12288, 8192, {}}, {Op::read, 69632, 131072, {}}});
}

// The layers below may be far, and the parts many.
TEST_CASE("cow: a read over many parts asks the layers below once in each block at most") {
  Over over(large_blocks(), 4 << 20);
  over.disk.geometry().flags |= Flag::nowait;
  const auto device = over.layer->open_over(over.disk);
  Bytes expected = over.before;
  for (std::uint64_t at = 2 * large + part_bytes; at < 20 * large; at += 2 * part_bytes) {
    CHECK(device->write(at, bytes_of(part_bytes, 7)).ok());
    put(expected, at, bytes_of(part_bytes, 7));
  }
  over.disk.forget_calls();
  CHECK(read_all(*device, 4 * large, 4 * large) == part(expected, 4 * large, 4 * large));
  CHECK(over.disk.calls() == Calls{{Op::read, 4 * large, 4 * large - part_bytes, {}}});
  CHECK(read_all(*device, 0, 4 << 20) == expected);  // what is not there, what is in part, and again what is not there
  CHECK(over.disk.count(Op::read) == 1 + 4);
  over.disk.block_always();
  std::vector<std::byte> bytes(2 * part_bytes);
  CHECK(device->process(Io::read(4 * large, bytes, Flag::nowait)) == Status::would_block());
  CHECK(device->process(Io::read(4 * large + part_bytes, std::span(bytes).first(part_bytes), Flag::nowait)).ok());
}

// One that is there in part alone is told of as a whole: nobody wants to wait for hundreds of questions below.
TEST_CASE("cow: extents are told by blocks") {
  Over over(large_blocks());
  over.disk.set_state(0, 196608, Extent::sparse);
  const auto device = over.layer->open_over(over.disk);
  for (const std::uint64_t at : {8192, 65536, 81920}) CHECK(device->write(at, bytes_of(4096, 7)).ok());
  over.disk.forget_calls();
  CHECK(extents(*device, 0, 196608) == std::vector<ListedExtent>{{131072, Extent::allocated}, {65536, Extent::sparse}});
  CHECK(over.disk.count(Op::extents) == 1);
}

TEST_CASE("cow: blocks that were zeroed have no parts of the base") {
  Over over(large_blocks());
  const auto device = over.layer->open_over(over.disk);
  Bytes expected = over.before;
  const auto zeroes = [&](std::uint64_t at) {
    std::fill_n(expected.begin() + static_cast<long>(at), large, std::byte{});
  };
  for (const std::uint64_t at : {std::uint64_t{0}, large, 2 * large}) {
    CHECK(device->write(at + 8192, bytes_of(4096, 7)).ok());
    zeroes(at);
  }
  CHECK(device->trim(0, large).ok());
  CHECK(device->zero(large, large).ok());
  CHECK(device->zero(2 * large, large, Flag::may_trim).ok());
  over.disk.forget_calls();
  CHECK(read_all(*device, 0, 300001) == expected);
  for (const std::uint64_t at : {std::uint64_t{0}, large, 2 * large}) {
    CHECK(device->write(at + 20480, bytes_of(4096, 8)).ok());
    put(expected, at + 20480, bytes_of(4096, 8));
  }
  // From within one block of zeroes to within the other, over a boundary of parts.
  CHECK(device->write(large - 4096, bytes_of(8192, 9)).ok());
  put(expected, large - 4096, bytes_of(8192, 9));
  CHECK(read_all(*device, 0, 300001) == expected);
  CHECK(over.disk.calls() ==
        Calls{{Op::read, 3 * large, 300001 - 3 * large, {}}, {Op::read, 3 * large, 300001 - 3 * large, {}}});
}

TEST_CASE("cow: zeroes over the edges of blocks are written to the parts that they touch") {
  Over over(large_blocks());
  const auto device = over.layer->open_over(over.disk);
  Bytes expected = over.before;
  over.disk.forget_calls();
  std::fill(expected.begin() + 5000, expected.begin() + 140000, std::byte{0});
  CHECK(device->zero(5000, 135000, Flag::may_trim).ok());
  CHECK(over.disk.calls() == Calls{{Op::read, 4096, 4096, {}}, {Op::read, 139264, 4096, {}}});
  CHECK(read_all(*device, 0, 300001) == expected);
}

// A write that may not wait, first of a fresh store: one that has been slow makes the next ones wait.
TEST_CASE("cow: a write of whole parts does not wait") {
  Over over(large_blocks());
  over.disk.geometry().flags |= Flag::nowait;
  const auto device = over.layer->open_over(over.disk);
  Bytes expected = over.before;
  over.disk.forget_calls();
  const auto written = [&](std::uint64_t offset, std::uint64_t length) {
    const Status s = device->write(offset, bytes_of(length, 8), Flag::nowait);
    if (s.ok()) put(expected, offset, bytes_of(length, 8));
    return s.ok();
  };
  SECTION("of one block") {
    CHECK(written(8192, 4096));
    CHECK(over.disk.calls().empty());
  }
  SECTION("of several blocks") {
    CHECK(written(61440, 131072));
    CHECK(over.disk.calls().empty());
  }
  SECTION("up to the end of the disk") {
    CHECK(written(299008, 993));
    CHECK(over.disk.calls().empty());
  }
  SECTION("an edge that is read first") {
    CHECK(written(4100, 100));
    CHECK(over.disk.calls() == Calls{{Op::read, 4096, 4096, Flag::nowait}});
  }
  SECTION("an edge of a base that would block") {
    over.disk.block_always();
    CHECK_FALSE(written(4100, 100));
    CHECK(written(8192, 4096));
  }
  SECTION("an edge, and a part that is there") {
    CHECK(device->write(8192, bytes_of(4096, 7)).ok());
    put(expected, 8192, bytes_of(4096, 7));
    CHECK_FALSE(written(8000, 300));
  }
  SECTION("into a block of zeroes, the rest of which goes with it") {
    CHECK(device->trim(0, large).ok());
    std::fill_n(expected.begin(), large, std::byte{0});
    CHECK(written(8192, 4096));
  }
  SECTION("into two blocks, one of them of zeroes") {
    CHECK(device->trim(0, large).ok());
    std::fill_n(expected.begin(), large, std::byte{0});
    CHECK_FALSE(written(large - 4096, 8192));
  }
  CHECK(read_all(*device, 0, 300001) == expected);
}

TEST_CASE("cow: parts are as large as the blocks of the layer below") {
  Over over(large_blocks(), 303104);
  over.disk.geometry().minimum = 8192;
  const auto device = over.layer->open_over(over.disk);
  over.disk.forget_calls();
  CHECK(device->write(8192, bytes_of(8192, 7)).ok());
  CHECK(over.disk.calls().empty());
  over.disk.geometry().minimum = 16384;
  CHECK_THROWS(over.layer->open_over(over.disk));
  CHECK(over.disk.breaches().empty());
}

TEST_CASE("cow: an overlay that is kept, or keeps what was read, has whole blocks") {
  Scratch scratch;
  for (const Given& given : {kept(scratch, {{"block_size", "65536"}}), large_blocks({{"on_read", "true"}})}) {
    Over over(given);
    const auto device = over.layer->open_over(over.disk);
    CHECK(device->flush().ok());  // the store is made
    over.disk.forget_calls();
    CHECK(device->write(8192, bytes_of(4096, 7)).ok());
    CHECK(over.disk.calls() == Calls{{Op::read, 0, 65536, {}}});
  }
}

TEST_CASE("cow: an error of the base below an edge is told, and changes nothing") {
  Over over(large_blocks());
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(8192, bytes_of(4096, 7)).ok());
  over.disk.fail_call(0, Status{EREMOTEIO});
  CHECK(device->write(10, bytes_of(1, 9)) == Status{EREMOTEIO});
  CHECK(read_all(*device, 0, 8192) == part(over.before, 0, 8192));
}

TEST_CASE("cow: what the layers below cannot read is read where it was written") {
  Over over(large_blocks());
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(8192, bytes_of(4096, 7)).ok());
  Bytes expected = over.before;
  put(expected, 8192, bytes_of(4096, 7));
  over.disk.fail_call(0, Status{EIO});  // as one read of all that is missing would find it
  CHECK(read_all(*device, 4096, 16384) == part(expected, 4096, 16384));
  over.disk.fail(Op::read, Status{EREMOTEIO});
  std::vector<std::byte> bytes(12288);
  CHECK(device->process(Io::read(4096, bytes)) == Status{EREMOTEIO});
  CHECK(device->process(Io::read(8192, std::span(bytes).first(4096))).ok());
}

TEST_CASE("cow: a part that there is no room for is as it was") {
  Over over(large_blocks({{"max_size", "65536"}}));
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(8192, bytes_of(4096, 7)).ok());
  CHECK(device->write(20480, bytes_of(4096, 7)).ok());  // of the same block
  CHECK(device->write(large, bytes_of(4096, 7)) == Status::no_space());
  CHECK(device->write(large + 10, bytes_of(1, 7)) == Status::no_space());
  CHECK(read_all(*device, large, large) == part(over.before, large, large));
}

TEST_CASE("cow: random requests to blocks with parts") {
  for (const char* scope : {"connection", "export"})
    for (const char* size : {"8192", "65536", "1M"}) {
      Over over({{"scope", scope}, {"block_size", size}}, 3000001);
      const auto device = over.layer->open_over(over.disk);
      RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), over.before);
      CHECK_NOTHROW(model.run(RandomModel::operations() / 3));
      CHECK(over.base_is_untouched());
    }
}

// All threads write to the same parts at once, and each byte is written by one of them.
TEST_CASE("cow: writes to the same parts by several threads all stay") {
  for (const std::uint64_t length : {std::uint64_t{100}, std::uint64_t{1000}, part_bytes, 3 * part_bytes}) {
    Over over(large_blocks());
    over.disk.geometry().flags |= Flag::nowait;
    const auto device = over.layer->open_over(over.disk);
    const std::uint64_t all = 300001 / (4 * length) * (4 * length);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t != 4; ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t at = t * length; at < all; at += 4 * length) {
          if (device->write(at, bytes_of(length, t + 1), Flag::nowait).ok()) continue;
          if (device->write(at, bytes_of(length, t + 1)).failed()) std::abort();
        }
      });
    for (std::thread& thread : threads) thread.join();
    const Bytes found = read_all(*device, 0, all);
    std::uint64_t wrong = 0;
    for (std::uint64_t at = 0; at != all; ++at) wrong += found[at] != std::byte(at / length % 4 + 1);
    CHECK(wrong == 0);
  }
}
