// The bounds that the filter cache keeps, and what it does with a store that fails and bytes that change below.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "../../unit/full_disk.hpp"
#include "cache_over.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

// Empties the file without a name that was made in `folder`, so that nothing of it can be read.
void empty_the_store(const std::string& folder) {
  bool found = false;
  for (const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(one.path(), error).string().find(folder) != 0) continue;
    found = ::truncate(one.path().c_str(), 0) == 0 || found;
  }
  REQUIRE(found);
}

}  // namespace

TEST_CASE("cache: what the store cannot give back is read below, and what is dirty is missed only by who wants it") {
  for (const bool dirty : {false, true}) {
    const Scratch scratch;
    CacheOver over(Given{{"store", scratch.path("")}, {"write", dirty ? "back" : "through"}});
    const auto device = over.open();
    CHECK(device->write(512, bytes_of(512, 7)).ok());
    empty_the_store(scratch.path(""));
    Bytes expected = part(over.before, 0, 4096);
    if (!dirty) put(expected, 512, bytes_of(512, 7));
    CHECK((read_all(*device, 1024, 3072) == part(expected, 1024, 3072)));
    empty_the_store(scratch.path(""));
    Bytes into(4096);
    if (dirty) CHECK(device->read(0, into).failed());
    else CHECK((read_all(*device, 0, 4096) == expected));
  }
}

TEST_CASE("cache: what the store has no room for is read below again, which status and the log tell") {
  for (const bool back : {false, true}) {
    const Scratch scratch;
    CacheOver over(Given{{"store", scratch.path("")}, {"write", back ? "back" : "through"}});
    const auto device = over.open();
    read_all(*device, 0, 1);  // from when on there is a file
    const FullDisk limited(40960);
    CHECK((read_all(*device, 0, 131072) == part(over.before, 0, 131072)));
    CHECK(over.verb("status").find("used 40960\n") != std::string::npos);
    CHECK(over.host.said("what is to be kept in " + scratch.path("") + " cannot be written"));
    over.disk.forget_calls();
    CHECK((read_all(*device, 0, 131072) == part(over.before, 0, 131072)));
    CHECK(over.disk.count(Op::read) != 0);
    Bytes expected = over.before;
    put(expected, 200000, bytes_of(8192, 7));
    CHECK(device->write(200000, bytes_of(8192, 7)).ok());
    CHECK((read_all(*device, 0, 262144) == part(expected, 0, 262144)));
  }
}

TEST_CASE("cache: drop forgets what is clean of a block that is dirty in a part") {
  CacheOver over(back());
  const auto device = over.open();
  read_all(*device, 0, 4096);
  CHECK(device->write(512, bytes_of(512, 7)).ok());
  over.disk.bytes()[0] = std::byte{99};
  over.verb("drop");
  CHECK(read_all(*device, 0, 1)[0] == std::byte{99});
  CHECK(read_all(*device, 512, 512) == bytes_of(512, 7));
}

TEST_CASE("cache: what was read below before drop is not kept behind it") {
  CacheOver over(back());
  const auto device = over.layer->open_over(over.flaky), other = over.layer->open_over(over.flaky);
  CHECK(device->write(512, bytes_of(512, 7)).ok());
  bool once = true;
  over.flaky.on_read([&] {
    if (!std::exchange(once, false)) return;
    CHECK(other->flush().ok());  // what is read is older than what is below now
    over.disk.bytes()[0] = std::byte{99};
    over.verb("drop");
  });
  CHECK(read_all(*device, 0, 4096)[600] == std::byte{7});
  CHECK(read_all(*device, 0, 4096)[0] == std::byte{99});
  CHECK(read_all(*device, 0, 4096)[600] == std::byte{7});
}

TEST_CASE("cache: back: max_dirty is the most, also for large writes and for several at once") {
  CacheOver over(back({{"max_dirty", "8192"}, {"size", "4M"}}));
  const auto dirty = [&] { return over.host.metrics().value("cache_dirty_bytes"); };
  const auto device = over.layer->open_over(over.flaky), other = over.layer->open_over(over.flaky);
  CHECK(device->write(100'000, bytes_of(300'000, 7)).ok());
  CHECK(dirty() <= 8192);
  CHECK(device->flush().ok());
  bool once = true;
  over.flaky.on_read([&] {
    if (std::exchange(once, false)) CHECK(other->write(8192, bytes_of(8192, 8)).ok());
  });
  CHECK(device->write(10, bytes_of(10, 9)).ok());  // a unit of it is read first
  CHECK_FALSE(once);
  CHECK(dirty() <= 8192);
  CHECK((read_all(*device, 8192, 8192) == bytes_of(8192, 8)));
}

TEST_CASE("cache: back: a write that is larger than max_dirty hears of its own failure") {
  CacheOver over(back({{"max_dirty", "1M"}, {"size", "8M"}}), 3 << 20);
  const auto device = over.open();
  over.disk.fail_call(0, Status::io_error());
  CHECK(device->write(0, bytes_of(2 << 20, 7)) == Status::io_error());
  CHECK(over.disk.calls().size() == 1);
}

TEST_CASE("cache: back: writes that are scattered leave half of the blocks to others") {
  CacheOver over(back());
  const auto device = over.open();
  for (std::uint64_t block = 0; block != 100; ++block) CHECK(device->write(block * 4096, bytes_of(512, 7)).ok());
  CHECK(over.host.metrics().value("cache_dirty_bytes") == 32 * 512);
  over.disk.forget_calls();
  for (int round = 0; round != 3; ++round)
    for (std::uint64_t block = 200; block != 204; ++block) read_all(*device, block * 4096, 512);
  CHECK(over.disk.count(Op::read) == 4);
}

TEST_CASE("cache: the verb warm loads no more than half of what is kept") {
  const Scratch scratch;
  std::ofstream(scratch.path("boot.list")) << "0 100000\n500000 100000\n";
  CacheOver over(Given{{"warm", scratch.path("boot.list")}});
  const auto device = over.open();
  CHECK(over.host.control().call_over(over.disk, "warm") == "131072 bytes loaded\n");
  CHECK(over.verb("status").find("used 131072\n") != std::string::npos);
}

TEST_CASE("cache: the verb warm tells a list without a range from none") {
  const Scratch scratch;
  std::ofstream(scratch.path("boot.list")) << "\n# nothing\n0 0\n";
  CacheOver with(Given{{"warm", scratch.path("boot.list")}});
  const auto device = with.open();
  CHECK_THROWS_WITH(with.host.control().call_over(with.disk, "warm"),
                    "the list that the parameter warm names has no range");
  CacheOver without;
  const auto other = without.open();
  CHECK_THROWS_WITH(without.host.control().call_over(without.disk, "warm"),
                    "there is no list: the parameter warm names it");
}

TEST_CASE("cache: no verb takes an argument") {
  CacheOver over;
  const auto device = over.open();
  for (const char* verb : {"status", "drop", "warm", "write-back"})
    CHECK_THROWS_WITH(over.host.control().call_over(over.disk, verb, {"now"}),
                      "takes no argument, and was given \"now\"");
}

TEST_CASE("cache: who is cancelled asks for nothing more below") {
  CacheOver over({}, 9 << 20);
  const auto device = over.open();
  Bytes into(9 << 20);
  over.disk.fail_call(0, Status{ECANCELED});
  CHECK(device->read(0, std::span(into).first(10)) == Status{ECANCELED});
  CHECK(over.disk.calls().size() == 1);
  over.disk.on_call([&](const ModelDisk::Call&) { over.host.wait().cancel(); });
  CHECK(device->cache(0, 65536).ok());  // one request
  CHECK(device->read(0, into) == Status{ECANCELED});
  CHECK(device->cache(1 << 20, 8 << 20) == Status{ECANCELED});
  CHECK(over.disk.count(Op::read) == 3);
}

TEST_CASE("cache: the metric of what is dirty is that of all connections") {
  CacheOver over(back());
  over.disk.geometry().multi_conn = false;
  const auto one = over.open();
  auto two = over.open();
  CHECK(one->write(0, bytes_of(1024, 7)).ok());
  CHECK(two->write(4096, bytes_of(512, 7)).ok());
  CHECK(over.host.metrics().value("cache_dirty_bytes") == 1536);
  over.disk.fail(Op::write, Status::io_error());
  two.reset();
  CHECK(over.host.said("512 bytes that were written are lost"));
  CHECK_FALSE(over.host.said("is kept"));
  CHECK(over.host.metrics().value("cache_dirty_bytes") == 1024);
}

TEST_CASE("cache: back: the verb write-back takes no failure from the client whose flush tells it") {
  CacheOver over(back({{"max_dirty", "4096"}}));
  const auto device = over.layer->open_over(over.flaky);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  over.flaky.fail_one_of(1);
  CHECK(device->write(8192, bytes_of(4096, 8)).failed());
  over.flaky.fail_one_of(0);
  CHECK(over.host.control().call_over(over.flaky, "write-back") == "4096 bytes written below\n");
  CHECK(device->flush() == Status::io_error());
  CHECK(device->flush().ok());
}

TEST_CASE("cache: back: the log tells of each flush that fails") {
  CacheOver over(back());
  const auto device = over.layer->open_over(over.flaky);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  over.flaky.fail_one_of(1);
  CHECK(device->flush() == Status::io_error());
  CHECK(over.host.said("cannot be written below (Input/output error)"));
  over.flaky.fail_one_of(0);
  CHECK(device->flush().ok());
}

TEST_CASE("cache: back: a flush that fails when the last writer goes is told by the next one") {
  CacheOver over(back());
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(over.open()->write(0, bytes_of(4096, 7)).ok());
  CHECK(over.host.said("the flush of what was written failed below"));
  CHECK_FALSE(over.host.said("cannot be written below"));
  const auto device = over.open();
  CHECK(device->flush() == Status{EREMOTEIO});
  CHECK(device->flush().ok());
}

TEST_CASE("cache: back: what is dirty of a disk that has become longer is written by the verb write-back") {
  CacheOver over(back());
  over.flaky.fail_one_of(1);
  CHECK(over.layer->open_over(over.flaky)->write(0, bytes_of(4096, 7)).ok());
  ModelDisk longer(1'100'000);
  longer.fill();
  CHECK(refusal([&] { over.layer->open_over(longer); }).find("the verb write-back") != std::string::npos);
  CHECK(over.host.control().call_over(longer, "write-back") == "4096 bytes written below\n");
  CHECK((read_all(*over.layer->open_over(longer), 0, 4096) == bytes_of(4096, 7)));
}
