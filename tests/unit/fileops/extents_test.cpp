// ExtentWalk, also over a file whose holes move under it.
#include "fileops/extents.hpp"

#include <unistd.h>

#include "catch.hpp"
#include "fileops/file_system.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

std::string walk_text(ExtentWalk& walk) {
  std::string text;
  for (FoundExtent found; walk.next(found);) {
    REQUIRE_FALSE(found.range.empty());
    if (!text.empty()) text += ' ';
    text += found.hole ? 'H' : 'D';
    text += std::to_string(found.range.length);
  }
  return text;
}

std::string extents_of(ModelDisk& disk, Range range) {
  ExtentWalk walk(disk, -1, range);
  return walk_text(walk);
}

constexpr Cell hole{0, false};

// Answers from a script instead of a file.
struct Scripted : Syscalls {
  std::vector<std::int64_t> answers;
  std::size_t calls = 0;
  std::int64_t seek(int, std::uint64_t, int) override { return answers[std::min(calls++, answers.size() - 1)]; }
  std::int64_t size(int) override { return 200; }
};

}  // namespace

TEST_CASE("extents are exact") {
  ModelDisk disk(Kind::file);
  CHECK(extents_of(disk, {0, M}) == "D1048576");
  disk.cells.set({4096, 8192}, hole);
  CHECK(extents_of(disk, {0, M}) == "D4096 H8192 D1036288");
  CHECK(extents_of(disk, {5000, 100}) == "H100");
  CHECK(extents_of(disk, {4000, 100}) == "D96 H4");
  CHECK(extents_of(disk, {12288, 1}) == "D1");
  disk.cells.set({M - 4096, 4096}, hole);
  CHECK(extents_of(disk, {M - 8192, 8192}) == "D4096 H4096");
  disk.cells.set({0, M}, hole);
  CHECK(extents_of(disk, {0, M}) == "H1048576");
}

TEST_CASE("extents: what lies behind the end of the file is nothing, and not a hole") {
  ModelDisk disk(Kind::file);
  disk.cells.set({M / 2 - 20, 10}, hole);
  disk.cut(M / 2);
  const auto walked = [&disk](Range range) {
    ExtentWalk walk(disk, -1, range);
    const std::string text = walk_text(walk);
    CHECK(walk.error() == EIO);
    return text;
  };
  CHECK(walked({M / 2 - 100, 200}) == "D80 H10 D10");
  CHECK(walked({M / 2 - 15, 200}) == "H5 D10");
  CHECK(walked({M / 2, 100}).empty());
  CHECK(walked({M - 100, 100}).empty());
  disk.cells.set({M / 2 - 20, 20}, hole);
  CHECK(walked({M / 2 - 100, 200}) == "D80 H20");
  CHECK(walked({M / 2 - 5, M / 2}) == "H5");
  CHECK(extents_of(disk, {M / 2 - 100, 100}) == "D80 H20");
}

TEST_CASE("extents: holes that keep moving do not become data behind the end of the file") {
  Scripted sys;
  sys.answers = {0};
  ExtentWalk walk(sys, -1, {0, 300});
  CHECK(walk_text(walk) == "D200");
}

TEST_CASE("extents: data that goes away between two seeks is looked at again") {
  Scripted sys;
  sys.answers = {0, 0, 100, 200};  // data at 0; a hole at 0 after all; data from 100 to 200
  ExtentWalk walk(sys, -1, {0, 200});
  REQUIRE(walk_text(walk) == "H100 D100");

  Scripted behind_a_hole;
  behind_a_hole.answers = {50, 50, 100, 200};  // data from 50 on; gone; data from 100 to 200
  ExtentWalk other(behind_a_hole, -1, {0, 200});
  REQUIRE(walk_text(other) == "H50 H50 D100");
}

TEST_CASE("extents: holes that keep moving end in data, in bounded work") {
  Scripted sys;
  sys.answers = {0};  // data at 0, and a hole at 0, for ever
  ExtentWalk walk(sys, -1, {0, 200});
  REQUIRE(walk_text(walk) == "D200");
  REQUIRE(sys.calls == 8);
}

TEST_CASE("extents: ENXIO between two seeks is the end of the data") {
  Scripted sys;
  sys.answers = {0, -ENXIO, -ENXIO};
  ExtentWalk walk(sys, -1, {0, 200});
  REQUIRE(walk_text(walk) == "H200");
}

TEST_CASE("extents: an error is told") {
  Scripted sys;
  sys.answers = {-EIO};
  ExtentWalk walk(sys, -1, {0, 200});
  REQUIRE(walk_text(walk).empty());
  REQUIRE(walk.error() == EIO);
}

namespace {

struct Collected {
  ashlar_extent_sink sink{this, &add};
  std::vector<std::pair<std::uint64_t, std::uint32_t>> all;
  static std::int32_t add(void* self, std::uint64_t length, std::uint32_t state) noexcept {
    static_cast<Collected*>(self)->all.emplace_back(length, state);
    return 0;
  }
};

int ask(Backend& backend, Range range, Collected& found, Flags flags = Flag::none) {
  Io io(Op::extents, range.offset, range.length, flags);
  io.extents = &found.sink;
  return backend.extents(io).code();
}

}  // namespace

TEST_CASE("extents op: work is bounded, and REQ_ONE is cheap") {
  Bench b(Kind::file, 64 * M);
  for (std::uint64_t i = 0; i < 4096; ++i) b.disk.cells.set({i * 8192, 4096}, hole);
  Collected all;
  REQUIRE(ask(*b.backend, {0, 64 * M}, all) == 0);
  REQUIRE(all.all.size() == 1024);
  REQUIRE(b.disk.count(Call::seek) <= 2048);
  b.disk.calls.clear();
  Collected one;
  REQUIRE(ask(*b.backend, {0, 64 * M}, one, Flag::req_one) == 0);
  REQUIRE(one.all == std::vector{std::pair{std::uint64_t{4096}, std::uint32_t{ASHLAR_HOLE | ASHLAR_ZERO}}});
  REQUIRE(b.disk.count(Call::seek) == 1);
}

TEST_CASE("extents op: a block device is allocated") {
  Bench b(Kind::block);
  b.disk.cells.set({0, M}, hole);
  Collected found;
  REQUIRE(ask(*b.backend, {512, 4096}, found) == 0);
  REQUIRE(found.all == std::vector{std::pair{std::uint64_t{4096}, std::uint32_t{0}}});
  REQUIRE(b.disk.calls.empty());
}

TEST_CASE("extents op: a file or device that became shorter is told up to its end, and behind it is an error") {
  const auto [kind, holes] = GENERATE(
      table<Kind, Holes>({{Kind::file, Holes::trusted}, {Kind::file, Holes::unknown}, {Kind::block, Holes::unknown}}));
  const bool lacks_seek = GENERATE(false, true);
  const Flags flags = GENERATE(values<Flags>({Flag::none, Flag::nowait, Flag::req_one}));
  Bench b(kind, M, 512, {.holes = holes});
  if (lacks_seek) b.disk.lacking = {Call::seek};
  b.disk.cut(M / 2);
  Collected found;
  CHECK(ask(*b.backend, {0, M}, found, flags) == 0);
  CHECK(found.all == std::vector{std::pair{M / 2, std::uint32_t{0}}});
  Collected behind;
  CHECK(ask(*b.backend, {M / 2, 4096}, behind, flags) == EIO);
  CHECK(ask(*b.backend, {M - 1, 1}, behind, flags) == EIO);
  CHECK(behind.all.empty());
}

TEST_CASE("extents op: with extents = false all is allocated, and the kernel is not asked for holes") {
  Bench b(Kind::file, M, 512, {.holes = Holes::unknown});
  b.disk.cells.set({0, M}, hole);
  Collected found;
  REQUIRE(ask(*b.backend, {512, 4096}, found) == 0);
  REQUIRE(found.all == std::vector{std::pair{std::uint64_t{4096}, std::uint32_t{0}}});
  std::vector<std::byte> bytes(128 * K, std::byte{0xee});
  Io io = Io::read(0, bytes, Flag::may_hole);
  io.extents = &found.sink;
  REQUIRE(b.backend->read(io).ok());
  REQUIRE(found.all.size() == 1);
  REQUIRE(bytes[0] == std::byte{0});
  REQUIRE(b.disk.count(Call::seek) == 0);
}

TEST_CASE("extents op: where lseek(SEEK_DATA) is not supported all is allocated, and that is remembered") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::seek};
  for (int i = 0; i < 2; ++i) {
    Collected found;
    REQUIRE(ask(*b.backend, {0, M}, found) == 0);
    REQUIRE(found.all == std::vector{std::pair{M, std::uint32_t{0}}});
  }
  REQUIRE(b.disk.count(Call::seek) == 1);
}

TEST_CASE("reads look for holes only where there may be some") {
  std::vector<std::byte> bytes(4096);
  Collected found;
  const auto read = [&](Bench& b) {
    Io io = Io::read(0, bytes, Flag::may_hole);
    io.extents = &found.sink;
    REQUIRE(b.backend->read(io).ok());
  };
  Bench b(Kind::file, M, 512, {.dense = true});
  read(b);
  REQUIRE(b.disk.count(Call::seek) == 0);
  REQUIRE(b.zero({0, 64 * K}, Flag::may_trim) == 0);  // now there is one
  read(b);
  REQUIRE(b.disk.count(Call::seek) == 1);
  REQUIRE(found.all.size() == 1);
}

TEST_CASE("reads believe holes only where the file system tells of data at once") {
  struct Liar : ModelDisk {
    using ModelDisk::ModelDisk;
    std::int64_t seek(int, std::uint64_t, int whence) override { return whence == SEEK_DATA ? -ENXIO : 0; }
  } disk(Kind::file);
  Facts facts;
  facts.size = M;
  facts.holes = Holes::told;
  Backend backend(facts, Fd{}, Fd{}, disk, {});
  const std::uint64_t length = GENERATE(std::uint64_t{4096}, 128 * K);
  std::vector<std::byte> bytes(length);
  Collected found;
  Io io = Io::read(0, bytes, Flag::may_hole);
  io.extents = &found.sink;
  REQUIRE(backend.read(io).ok());
  REQUIRE(found.all.empty());
  REQUIRE(bytes[0] == std::byte{0xff});
  Io without_memory = Io::lend_only(0, length, Flag::may_hole);
  without_memory.extents = &found.sink;
  REQUIRE(backend.read(without_memory) == Status::would_block());
  REQUIRE(ask(backend, {0, length}, found) == 0);  // who asks for them is told, unless extents = false
  REQUIRE(found.all == std::vector{std::pair{length, std::uint32_t{ASHLAR_HOLE | ASHLAR_ZERO}}});
}

TEST_CASE("the file systems that are believed are these") {
  std::string trusted;
  for (const unsigned long type : {0xef53ul, 0x58465342ul, 0x9123683eul, 0x01021994ul, 0x2fc12fc1ul, 0x794c7630ul,
                                   0xf2f52010ul, 0x6969ul, 0xff534d42ul, 0x00c36400ul, 0x65735546ul, 0x12345ul})
    if (const FileSystem fs = file_system_of(type); fs.tells_data_at_once) trusted += std::string(fs.name) + " ";
  CHECK(trusted == "ext4 xfs btrfs tmpfs ");
  CHECK(file_system_of(0x2fc12fc1ul).name == std::string("zfs"));
  CHECK(file_system_of(0x12345ul).name == nullptr);
}

TEST_CASE("a read with more holes than can be told is right") {
  Bench b(Kind::file);
  for (std::uint64_t i = 0; i < 64; ++i) b.disk.cells.set({i * 2048, 1024}, hole);
  std::vector<std::byte> bytes(128 * K, std::byte{0xee});
  Collected found;
  Io io = Io::read(0, bytes, Flag::may_hole);
  io.extents = &found.sink;
  REQUIRE(b.backend->read(io).ok());
  REQUIRE(found.all.size() <= 16);
  std::uint64_t at = 0;
  for (const auto& [length, state] : found.all) {
    for (std::uint64_t i = at; i < at + length; ++i) {
      const bool is_hole = i % 2048 < 1024;
      if (state != 0) REQUIRE(is_hole);
      else if (bytes[i] != (is_hole ? std::byte{0} : std::byte{0xff})) FAIL("byte " << i);
    }
    at += length;
  }
  REQUIRE(at == bytes.size());
}
