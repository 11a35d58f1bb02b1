// The filter cow with `path`, and its verbs: what is found again, thrown away, or written into the base.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>
#include <vector>

#include "../../unit/full_disk.hpp"
#include "cow_over.hpp"
#include "store.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

// As the file has it.
Header::State state_in(const std::string& path) {
  Header found;
  REQUIRE(Store::look(path, found));
  return found.state;
}

}  // namespace

TEST_CASE("cow: discard shows the base again") {
  Over over(per_export());
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(100, bytes_of(20000, 9)).ok());
  CHECK(over.host.control().call("discard") == "20480 bytes discarded\n");
  CHECK(read_all(*device, 0, 300001) == over.before);
  CHECK(device->write(100, bytes_of(1, 9)).ok());
  Bytes expected = over.before;
  expected[100] = std::byte{9};
  CHECK(read_all(*device, 0, 300001) == expected);
}

TEST_CASE("cow: what is written after a discard that failed is there at the next start") {
  // Of the file the header can be written, but not the map; or just a part of the header.
  for (const rlim_t limit : {4096, 16}) {
    Scratch scratch;
    Over over(kept(scratch));
    {
      const auto device = over.layer->open_over(over.disk);
      CHECK(device->write(0, bytes_of(block, 7)).ok());
      CHECK(device->flush().ok());
      {
        const FullDisk limited(limit);
        CHECK_THROWS_AS(over.host.control().call("discard"), Refused);
      }
      CHECK(read_all(*device, 0, block) == (limit == 16 ? bytes_of(block, 7) : part(over.before, 0, block)));
      CHECK(device->write(8192, bytes_of(block, 9)).ok());
      CHECK(device->flush().ok());
      CHECK(state_in(scratch.path("overlay.cow")) == Header::State::normal);  // not just when the server ends
    }
    over.start();
    const auto device = over.layer->open_over(over.disk);
    CHECK(read_all(*device, 8192, block) == bytes_of(block, 9));
    CHECK(read_all(*device, 0, block) == (limit == 16 ? bytes_of(block, 7) : part(over.before, 0, block)));
  }
}

// Else a crash could leave a map that was cleared in part, with nothing that says so.
TEST_CASE("cow: a flush leaves the mark of a discard that is not done yet") {
  Scratch scratch;
  Over over(kept(scratch));
  const auto device = over.layer->open_over(over.disk);
  for (int round = 0; round != 40; ++round) {
    CHECK(device->write(0, bytes_of(block, 7)).ok());
    CHECK(device->flush().ok());
    {
      const FullDisk limited(4096);  // the header can be written, but not the map
      std::atomic<bool> done{false};
      std::thread other([&] {
        while (!done) static_cast<void>(device->flush());
      });
      CHECK_THROWS_AS(over.host.control().call("discard"), Refused);
      done = true;
      other.join();
    }
    CHECK(state_in(scratch.path("overlay.cow")) == Header::State::discarding);
  }
}

TEST_CASE("cow: a kept overlay is found again, private to its user") {
  Scratch scratch;
  Over over(kept(scratch));
  Bytes expected = over.before;
  put(expected, 5000, bytes_of(20000, 7));
  std::fill(expected.begin() + 40960, expected.begin() + 49152, std::byte{0});
  {
    const auto device = over.layer->open_over(over.disk);
    CHECK_FALSE(std::filesystem::exists(scratch.path("overlay.cow")));  // on trial it is not made
    CHECK(device->write(5000, bytes_of(20000, 7)).ok());
    CHECK(device->zero(40960, 8192, Flag::may_trim).ok());
    CHECK(device->flush().ok());
  }
  CHECK(std::filesystem::status(scratch.path("overlay.cow")).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  over.start();
  CHECK(read_all(*over.layer->open_over(over.disk), 0, 300001) == expected);
  CHECK(over.base_is_untouched());
}

TEST_CASE("cow: what is read on trial makes no file, and is what a file has that is there") {
  Scratch scratch;
  Over over(kept(scratch));
  const std::string path = scratch.path("overlay.cow");
  {
    const auto device = over.layer->open_over(over.disk);
    CHECK(read_all(*device, 0, 300001) == over.before);
    CHECK(extents(*device, 0, 300001) == std::vector<ListedExtent>{{300001, Extent::allocated}});
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(device->write(0, bytes_of(block, 7)).ok());
    CHECK(device->flush().ok());
  }
  over.start();
  CHECK(read_all(*over.layer->open_over(over.disk), 0, block) == bytes_of(block, 7));
}

TEST_CASE("cow: a kept overlay is refused over another base, with other blocks, or beside another server") {
  Scratch scratch;
  Over over(kept(scratch));
  {
    const auto device = over.layer->open_over(over.disk);
    CHECK(device->write(5000, bytes_of(1, 7)).ok());
    TestLayer second(own_module(), over.host, over.given);
    const auto beside = second.open_over(over.disk);
    CHECK(device->flush().ok());
    CHECK(read_all(*beside, 5000, 1) == bytes_of(1, 7));  // on trial what is there may be looked at
    CHECK(beside->write(5000, bytes_of(1, 8)) == Status::io_error());
    CHECK(over.host.said("is used by this server already"));
    CHECK(read_all(*device, 5000, 1) == bytes_of(1, 7));
  }
  const auto said = [&](ModelDisk& disk, const std::string& text) {
    over.start();
    const std::string why = refusal([&] { over.layer->open_over(disk); });
    return why.find(text) != std::string::npos;
  };
  over.disk.bytes()[300000] ^= std::byte{1};
  CHECK(said(over.disk, "was made over a base with other contents"));
  over.disk.bytes()[300000] ^= std::byte{1};
  ModelDisk other(300002);
  CHECK(said(other, "was made over a base of 300001 bytes; this one has 300002"));
  over.given[0].second = "8192";
  CHECK(said(over.disk, "was made with block_size = 4096"));
  over.given[0].second = "4096";
  const std::uint64_t end = std::filesystem::file_size(scratch.path("overlay.cow"));
  std::filesystem::resize_file(scratch.path("overlay.cow"), end - 1);
  CHECK(said(over.disk, "has been cut: it has " + std::to_string(end - 1) + " of " + std::to_string(end) + " bytes"));
  std::filesystem::resize_file(scratch.path("overlay.cow"), 10);
  CHECK(said(over.disk, "is broken (its checksum is wrong)"));
  CHECK(said(over.disk, "overlay.cow"));
  std::filesystem::resize_file(scratch.path("overlay.cow"), 0);
  CHECK(said(over.disk, "is no overlay of this filter"));
}

TEST_CASE("cow: a path that is a link which leads nowhere is refused, and makes nothing") {
  Scratch scratch;
  Over over(kept(scratch));
  std::filesystem::create_symlink(scratch.path("nowhere"), scratch.path("overlay.cow"));
  over.start();
  CHECK(refusal([&] { over.layer->open_over(over.disk); }) ==
        scratch.path("overlay.cow") + " is a link that leads nowhere");
  std::filesystem::remove(scratch.path("overlay.cow"));
  const auto device = over.layer->open_over(over.disk);
  std::filesystem::create_symlink(scratch.path("nowhere"), scratch.path("overlay.cow"));  // after it was looked at
  CHECK(device->write(0, bytes_of(block, 7)) == Status::io_error());
  CHECK(over.host.said("is a link that leads nowhere"));
  CHECK_FALSE(std::filesystem::exists(scratch.path("nowhere")));
}

// Returns what the disk holds then.
Bytes change_and_zero(const Over& over, TestDevice& device) {
  Bytes expected = over.before;
  put(expected, 5000, bytes_of(20000, 7));
  std::fill(expected.begin() + 40960, expected.begin() + 49152, std::byte{0});
  CHECK(device.write(5000, bytes_of(20000, 7)).ok());
  CHECK(device.zero(40960, 8192, Flag::may_trim).ok());
  return expected;
}

TEST_CASE("cow: commit writes the overlay into the base") {
  Scratch scratch;
  Over over(kept(scratch));
  const auto device = over.layer->open_over(over.disk);
  const Bytes expected = change_and_zero(over, *device);
  CHECK(over.host.control().call_over(over.disk, "commit").find(" bytes committed\n") != std::string::npos);
  CHECK(over.disk.durable() == expected);
  CHECK(read_all(*device, 0, 300001) == expected);
  CHECK(over.host.control().call("status").find("allocated 0\n") != std::string::npos);
  CHECK(over.disk.breaches().empty());
}

TEST_CASE("cow: what lies together is committed together, in requests that the base takes") {
  for (const std::uint32_t most : {0u, 65536u}) {
    Scratch scratch;
    Over over(kept(scratch));
    over.disk.geometry().maximum = most;
    const auto device = over.layer->open_over(over.disk);
    Bytes expected = over.before;
    for (std::uint64_t at = 0; at < 49 * block; at += block) {
      put(expected, at, bytes_of(block, 7));
      CHECK(device->write(at, bytes_of(block, 7)).ok());
    }
    std::fill(expected.begin() + 50 * block, expected.begin() + 60 * block, std::byte{0});
    CHECK(device->zero(50 * block, 10 * block, Flag::may_trim).ok());
    over.disk.forget_calls();
    over.host.control().call_over(over.disk, "commit");
    CHECK(over.disk.count(Op::write) == (most == 0 ? 1 : 4));
    CHECK(over.disk.count(Op::zero) == 1);
    CHECK(over.disk.durable() == expected);
    CHECK(over.disk.breaches().empty());
  }
}

TEST_CASE("cow: a commit into a slow base lets requests in between") {
  Scratch scratch;
  Over over(kept(scratch));
  const auto device = over.layer->open_over(over.disk);
  for (std::uint64_t at = 0; at < 70 * block; at += 2 * block) CHECK(device->write(at, bytes_of(block, 7)).ok());
  std::atomic<int> reads{0}, wrong{0};
  std::vector<int> reads_before;  // each write
  over.disk.on_call([&](const Call& call) {
    if (call.op != Op::write) return;
    reads_before.push_back(reads);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  });
  std::atomic<bool> done{false};
  std::thread other([&] {
    for (; !done; ++reads) wrong += read_all(*device, 0, block) != bytes_of(block, 7);
  });
  over.host.control().call_over(over.disk, "commit");
  done = true;
  other.join();
  CHECK(wrong == 0);
  REQUIRE(reads_before.size() == 35);
  // One more may have been done, and not been counted yet, when the commit began.
  CHECK(reads_before.back() > reads_before.front() + 1);
}

TEST_CASE("cow: commit is durable over a layer without flush, by FUA") {
  Scratch scratch;
  Over over(kept(scratch));
  over.disk.geometry().ops = over.disk.geometry().ops.without(Op::flush);
  const auto device = over.layer->open_over(over.disk);
  const Bytes expected = change_and_zero(over, *device);
  CHECK(over.host.control().call_over(over.disk, "commit").find(" bytes committed\n") != std::string::npos);
  CHECK((part(over.disk.durable(), 4096, 49152) == part(expected, 4096, 49152)));
  CHECK(over.disk.breaches().empty());
}

TEST_CASE("cow: a commit over a layer that can make nothing durable says so") {
  for (const bool lasts : {false, true}) {
    Scratch scratch;
    Over over(kept(scratch));
    over.disk.geometry().ops = over.disk.geometry().ops.without(Op::flush);
    if (!lasts) over.disk.geometry().flags = over.disk.geometry().flags.without(Flag::fua);
    const auto device = over.layer->open_over(over.disk);
    CHECK(device->write(5000, bytes_of(20000, 7)).ok());
    CHECK(over.host.control().call_over(over.disk, "commit").find(" bytes committed\n") != std::string::npos);
    CHECK(over.host.said("have neither flush nor FUA") == !lasts);
    CHECK(over.disk.breaches().empty());
  }
}

TEST_CASE("cow: a commit that is broken off can be made again, after a start, too") {
  Scratch scratch;
  Over over(kept(scratch));
  Bytes expected = over.before;
  {
    const auto device = over.layer->open_over(over.disk);
    for (std::uint64_t at = 0; at < 290000; at += 8192) {
      put(expected, at, bytes_of(100, 7));
      CHECK(device->write(at, bytes_of(100, 7)).ok());
    }
    CHECK(device->flush().ok());
    over.disk.forget_calls();
    over.disk.fail_call(5, Status{EIO});
    CHECK_THROWS_AS(over.host.control().call_over(over.disk, "commit"), Refused);
    CHECK(read_all(*device, 0, 300001) == expected);
    CHECK(over.host.control().call("status").find("commit unfinished") != std::string::npos);
  }
  over.start();
  auto device = over.layer->open_over(over.disk);
  CHECK(read_all(*device, 0, 300001) == expected);
  CHECK(device->flush().ok());
  CHECK(over.host.said("was broken off"));
  CHECK(read_all(*device, 0, 300001) == expected);
  over.host.control().call_over(over.disk, "commit");
  CHECK(over.disk.durable() == expected);
  device.reset();
  over.start();
  CHECK(read_all(*over.layer->open_over(over.disk), 0, 300001) == expected);
}
