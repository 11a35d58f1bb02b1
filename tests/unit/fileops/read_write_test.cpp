// read, write and flush over the model disk.
#include <sys/uio.h>

#include <ashlar/testing/extent_list.hpp>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

constexpr std::int64_t all_pages = M / 4096;

}  // namespace

TEST_CASE("short reads and writes go on where they stopped") {
  Bench b(Kind::file);
  b.disk.fault = [](Call) { return 7; };
  REQUIRE(b.write({100, 1000}, 5) == 0);
  REQUIRE(b.disk.cells.holds({100, 1000}, 5));
  REQUIRE(only(b.disk, {100, 1000}, M));
  std::vector<std::byte> bytes;
  REQUIRE(b.read({99, 1002}, bytes) == 0);
  REQUIRE(bytes[0] == std::byte{0xff});
  REQUIRE(bytes[1] == std::byte{5});
  REQUIRE(bytes[1000] == std::byte{5});
  REQUIRE(bytes[1001] == std::byte{0xff});
}

TEST_CASE("an error of read or write is the answer; EAGAIN and EOPNOTSUPP mean something else between layers") {
  const int error = GENERATE(EIO, ENOSPC, EPERM, EINVAL);
  Bench b(Kind::file);
  std::vector<std::byte> bytes;
  b.disk.fault = failing(Call::write, error);
  REQUIRE(b.write({0, 512}, 1) == error);
  b.disk.fault = failing(Call::read, error);
  REQUIRE(b.read({0, 512}, bytes) == error);
  for (const int other : {EAGAIN, EOPNOTSUPP}) {
    b.disk.fault = failing(Call::read, other);
    REQUIRE(b.read({0, 512}, bytes) == EIO);
    b.disk.fault = failing(Call::write, other);
    REQUIRE(b.write({0, 512}, 1) == EIO);
  }
}

TEST_CASE("bytes that are gone are EIO, in whatever way they are read") {
  const bool filled = GENERATE(true, false);  // else a hole, which SEEK_DATA does not tell from the end of the file
  const auto [range, cut] = GENERATE(table<Range, std::uint64_t>({{{512 * K, 256 * K}, 256 * K},
                                                                  {{512 * K, 256 * K}, 512 * K},
                                                                  {{512 * K, 256 * K}, 640 * K},
                                                                  {{512 * K, 256 * K}, 768 * K - 1},
                                                                  {{M - 64 * K, 64 * K}, M - 100},
                                                                  {{M - 4096, 4096}, M - 4096},
                                                                  {{M - 1, 1}, M - 1}}));
  INFO(range.length << "@" << range.offset << " cut at " << cut << (filled ? "" : ", a hole"));
  Bench b(Kind::file);
  if (!filled) b.disk.cells.set({0, M}, {0, false});
  b.disk.cached = all_pages;  // the page in which the file ends is still there
  b.disk.cut(cut);
  const auto read = [&b, in = range](Flags flags) {
    std::vector<std::byte> bytes(in.length, std::byte{0xee});
    ashlar::testing::ExtentList told;
    Io io = Io::read(in.offset, bytes, flags);
    io.set_sink(&told);
    const int status = b.backend->read(io).code();
    CHECK_FALSE(io.lent());
    return status;
  };
  const Flags shortcuts = Flag::may_lend | Flag::may_hole;
  CHECK(read(Flag::none) == EIO);
  CHECK(read(Flag::may_hole) == EIO);
  CHECK(read(shortcuts) == EIO);
  // For the call that may wait to find out.
  CHECK(read(Flag::nowait) == EAGAIN);
  CHECK(read(shortcuts | Flag::nowait) == EAGAIN);
  for (const Flags flags : {Flag::none, Flag::may_hole}) {
    ashlar::testing::ExtentList told;
    Io io = Io::lend_only(range.offset, range.length, flags);
    io.set_sink(&told);
    CHECK(b.backend->read(io) == Status::would_block());
    CHECK_FALSE(io.lent());
    CHECK(told.extents().empty());
  }
}

TEST_CASE("NOWAIT reads by RWF_NOWAIT; anything but all of it is left to a call that may wait") {
  Bench b(Kind::file, M, 512, {.dense = true});
  std::vector<std::byte> bytes;
  REQUIRE(b.read({0, 4096}, bytes, Flag::nowait) == 0);
  const int answer = GENERATE(-EAGAIN, -EIO, 512);
  b.disk.fault = [answer](Call call) { return call == Call::read ? answer : 0; };
  b.disk.calls.clear();
  REQUIRE(b.read({0, 4096}, bytes, Flag::nowait) == EAGAIN);
  REQUIRE(b.disk.count(Call::read) == 1);
}

TEST_CASE("where RWF_NOWAIT is not supported, small reads run inline and that is remembered") {
  Bench b(Kind::file, 8 * M, 512, {.dense = true});
  b.disk.fault = failing(Call::read, EOPNOTSUPP, 1);
  std::vector<std::byte> bytes;
  REQUIRE(b.read({0, 4096}, bytes, Flag::nowait) == 0);
  REQUIRE(b.disk.count(Call::read) == 2);
  REQUIRE(b.read({0, 4096}, bytes, Flag::nowait) == 0);
  REQUIRE(b.disk.count(Call::read) == 3);
  REQUIRE(b.read({0, 4 * M}, bytes, Flag::nowait) == EAGAIN);
}

TEST_CASE("once an inline operation has blocked, none runs inline for a while") {
  Calm calm;
  REQUIRE(calm.at(5));
  calm.ran(100, 100 + Calm::blocked_ns);
  REQUIRE(calm.at(200));
  const std::int64_t took = Calm::blocked_ns + 1, end = 100 + took, quiet = took * Calm::quiet_factor;
  calm.ran(100, end);
  REQUIRE_FALSE(calm.at(end));
  REQUIRE_FALSE(calm.at(end + quiet - 1));
  REQUIRE(calm.at(end + quiet));
}

TEST_CASE("an operation that blocked briefly does not shorten the quiet after one that blocked for long") {
  Calm calm;
  const std::int64_t took = 40 * Calm::blocked_ns;
  calm.ran(0, took);
  calm.ran(took - Calm::blocked_ns, took + 1);
  REQUIRE_FALSE(calm.at(took + took * Calm::quiet_factor - 1));
}

TEST_CASE("after an operation that blocked for very long, others run inline again within a second") {
  Calm calm;
  calm.ran(100, 100 + 3600 * std::int64_t{1'000'000'000});
  const std::int64_t end = 100 + 3600 * std::int64_t{1'000'000'000};
  REQUIRE_FALSE(calm.at(end + Calm::most_quiet_ns / 2));
  REQUIRE(calm.at(end + Calm::most_quiet_ns));
}

TEST_CASE("an inline operation that blocks sends all of the backend's to workers, for a while") {
  Bench b(Kind::file);
  std::vector<std::byte> bytes;
  REQUIRE(b.write({0, 512}, 1, Flag::nowait) == 0);
  b.disk.fault = [&b](Call) {
    b.disk.clock += Calm::blocked_ns + 1;
    return 0;
  };
  REQUIRE(b.write({0, 512}, 1, Flag::nowait) == 0);
  b.disk.fault = nullptr;
  b.disk.calls.clear();
  REQUIRE(b.write({0, 512}, 2, Flag::nowait) == EAGAIN);
  REQUIRE(b.zero({0, 512}, Flag::nowait) == EAGAIN);
  REQUIRE(b.trim({0, 512}, Flag::nowait) == EAGAIN);
  REQUIRE(b.disk.calls.empty());
  REQUIRE(b.read({0, 512}, bytes, Flag::nowait) == 0);  // RWF_NOWAIT needs no calm
  REQUIRE(b.zero({0, 512}) == 0);                       // what may wait is not held up
  b.disk.clock += Calm::most_quiet_ns;
  REQUIRE(b.write({0, 512}, 2, Flag::nowait) == 0);
  REQUIRE(b.zero({0, 512}, Flag::nowait) == 0);
}

TEST_CASE("a device that zeroes slowly does so on workers, for a while, and is written to as before") {
  Bench b(Kind::block);
  REQUIRE(b.zero({0, 4096}, Flag::nowait) == 0);
  REQUIRE(b.disk.cells.holds({0, 4096}, 0));
  b.disk.fault = [&b](Call call) {
    if (call == Call::zero_range) b.disk.clock += Calm::blocked_ns + 1;
    return 0;
  };
  REQUIRE(b.zero({4096, 4096}, Flag::nowait) == 0);
  b.disk.calls.clear();
  REQUIRE(b.zero({8192, 4096}, Flag::nowait) == EAGAIN);
  REQUIRE(b.disk.calls.empty());
  REQUIRE(b.write({0, 512}, 1, Flag::nowait) == 0);
  b.disk.clock += Calm::most_quiet_ns;
  REQUIRE(b.zero({8192, 4096}, Flag::nowait) == 0);
}

TEST_CASE("NOWAIT: what always waits for a disk is never done inline, and nothing is changed") {
  Bench b(Kind::block, 16 * M);
  REQUIRE(b.zero({0, 512}, Flag::nowait | Flag::fua) == EAGAIN);
  REQUIRE(b.zero({0, 8 * M}, Flag::nowait) == EAGAIN);
  REQUIRE(b.trim({0, 512}, Flag::nowait) == EAGAIN);
  REQUIRE(b.write({0, 512}, 1, Flag::nowait | Flag::fua) == EAGAIN);
  REQUIRE(b.write({0, M}, 1, Flag::nowait) == 0);
  Bench f(Kind::file, 16 * M);
  REQUIRE(f.zero({0, 512}, Flag::nowait | Flag::fua) == EAGAIN);
  REQUIRE(f.zero({0, 8 * M}, Flag::nowait) == EAGAIN);
  REQUIRE(f.write({0, 2 * M}, 1, Flag::nowait) == EAGAIN);
  REQUIRE(f.disk.cells.untouched({0, 16 * M}));
}

TEST_CASE("FUA makes just the write durable, by RWF_DSYNC") {
  Bench b(Kind::file);
  REQUIRE(b.write({0, 4096}, 3, Flag::fua) == 0);
  REQUIRE(b.disk.calls.size() == 1);
  REQUIRE(b.disk.write_flags == RWF_DSYNC);
}

TEST_CASE("FUA without RWF_DSYNC, or after a short write: one fdatasync at the end") {
  const int answer = GENERATE(-EOPNOTSUPP, -EINVAL, 100);
  Bench b(Kind::file);
  int calls = 0;
  b.disk.fault = [&](Call call) { return call == Call::write && calls++ == 0 ? answer : 0; };
  REQUIRE(b.write({0, 4096}, 3, Flag::fua) == 0);
  REQUIRE(b.disk.cells.holds({0, 4096}, 3));
  REQUIRE(b.disk.count(Call::fdatasync) == 1);
  REQUIRE(b.disk.calls.back().first == Call::fdatasync);
  b.disk.calls.clear();
  REQUIRE(b.write({0, 4096}, 4, Flag::fua) == 0);
  REQUIRE(b.disk.count(Call::write) == 1);
  REQUIRE(b.disk.count(Call::fdatasync) == (answer == -EOPNOTSUPP ? 1u : 0u));
}

TEST_CASE("an error of fdatasync reaches every later flush and FUA until the backend is opened again") {
  const int error = GENERATE(EIO, ENOSPC);
  Bench b(Kind::file);
  b.disk.fault = failing(Call::fdatasync, error, 1);
  REQUIRE(b.flush() == error);
  REQUIRE(b.flush() == error);
  REQUIRE(b.write({0, 512}, 1, Flag::fua) == error);
  REQUIRE(b.zero({0, 512}, Flag::fua) == error);
  REQUIRE(b.trim({0, 512}, Flag::fua) == error);
  REQUIRE(b.write({0, 512}, 1) == 0);
  REQUIRE(b.log.errors.size() == 1);
}

TEST_CASE("an error of RWF_DSYNC that was not the write's is remembered like one of fdatasync") {
  Bench b(Kind::file);
  b.disk.fault = failing(Call::write, EIO, 1);
  REQUIRE(b.write({0, 512}, 1, Flag::fua) == EIO);
  REQUIRE(b.flush() == EIO);
}

TEST_CASE("a flush that has nothing to make durable does nothing") {
  Bench b(Kind::file, M, 512, {.read_only = true});
  REQUIRE(b.flush() == 0);
  REQUIRE(b.disk.calls.empty());
}

TEST_CASE("bytes that are not in memory are lent cold, where that is possible") {
  std::vector<std::byte> bytes(4096);
  constexpr int cold = -1;
  const Flags flags = Flag::nowait | Flag::may_lend | Flag::may_lend_cold;
  const auto read = [&](Bench& b, std::uint64_t offset) {
    Io io = Io::read(offset, bytes, flags);
    const int status = b.backend->read(io).code();
    return status == 0 && io.lent_cold == 1 && io.lent_offset == offset ? cold : status;
  };
  Bench b(Kind::file, M, 512, {.dense = true});
  Facts facts;
  facts.direct = true;
  facts.direct_end = 64 * K;
  Bench direct(Kind::file, 64 * K + 4096, 512, facts);
  CHECK(read(direct, 0) == cold);
  CHECK(read(direct, 64 * K) == EAGAIN);  // that end is not read through the lent descriptor
  CHECK(read(b, 0) == 0);                 // in memory
  b.disk.fault = failing(Call::read, EAGAIN);
  CHECK(read(b, 0) == cold);
}

namespace {

// How a read without memory is answered; `told` collects what is told of zeroes.
enum class Lent { no, yes, cold, zeroes };
Lent lent(Bench& b, Range range, Flags flags = Flag::may_lend_cold | Flag::may_hole) {
  ashlar::testing::ExtentList told;
  Io io = Io::lend_only(range.offset, range.length, flags);
  if (flags.has(Flag::may_hole)) io.set_sink(&told);
  const Status status = b.backend->read(io);
  CHECK(b.disk.count(Call::read) == 0);
  if (status == Status::would_block()) {
    CHECK_FALSE(io.lent());
    CHECK(told.extents().empty());
    return Lent::no;
  }
  CHECK(status.ok());
  if (io.lent()) {
    CHECK(io.lent_offset == range.offset);
    return io.lent_cold != 0 ? Lent::cold : Lent::yes;
  }
  REQUIRE(told.extents().size() == 1);
  CHECK(told.total() == range.length);
  CHECK(told.extents()[0].state == ashlar::Extent::sparse);
  return Lent::zeroes;
}
constexpr Cell unwritten{0, false};

}  // namespace

TEST_CASE("a read without memory: what is cached is lent, what is not is lent cold") {
  Bench b(Kind::file);
  b.disk.cached = all_pages;
  CHECK(lent(b, {0, M}) == Lent::yes);
  CHECK(lent(b, {0, M}, Flag::none) == Lent::yes);
  CHECK(lent(b, {4096, 64 * K}) == Lent::yes);
  CHECK(lent(b, {4096, 64 * K - 1}) == Lent::no);  // cheaper to copy
  b.disk.cached = all_pages - 1;
  CHECK(lent(b, {0, M}) == Lent::cold);
  CHECK(lent(b, {0, M}, Flag::may_hole) == Lent::no);
}

TEST_CASE("a read without memory: where the kernel does not tell what is cached, it is for a read with memory") {
  Bench b(Kind::file);
  CHECK(lent(b, {0, M}) == Lent::no);
  CHECK(lent(b, {0, M}) == Lent::no);
}

TEST_CASE("a read without memory: a hole is told of, unless that is not asked for or it is not the whole") {
  Bench b(Kind::file);
  b.disk.cached = all_pages;
  b.disk.cells.set({128 * K, 256 * K}, unwritten);
  CHECK(lent(b, {128 * K, 256 * K}) == Lent::zeroes);
  CHECK(lent(b, {192 * K, 64 * K}) == Lent::zeroes);
  CHECK(lent(b, {128 * K, 256 * K}, Flag::may_lend_cold) == Lent::yes);
  CHECK(lent(b, {0, M}) == Lent::no);  // both
  CHECK(lent(b, {64 * K, 128 * K}) == Lent::no);
  CHECK(lent(b, {320 * K, 128 * K}) == Lent::no);
  CHECK(lent(b, {384 * K, 128 * K}) == Lent::yes);
}

TEST_CASE("a read without memory: direct I/O lends cold up to where it ends") {
  Facts facts;
  facts.direct = true;
  facts.direct_block = 512;
  facts.direct_end = 512 * K;
  Bench b(Kind::file, M, 512, facts);
  b.disk.cached = all_pages;
  CHECK(lent(b, {0, 512 * K}) == Lent::cold);
  CHECK(lent(b, {256 * K, 256 * K + 512}) == Lent::no);
  CHECK(lent(b, {0, 512 * K}, Flag::none) == Lent::no);
}

TEST_CASE("what the page cache keeps is written in pieces that later small writes are quick in") {
  Bench b(Kind::file);
  const auto writes = [&](Range range, Flags flags = Flag::none) {
    b.disk.calls.clear();
    REQUIRE(b.write(range, 5, flags) == 0);
    REQUIRE(b.disk.cells.holds(range, 5));
    return b.disk.calls;
  };
  using Calls = std::vector<std::pair<Call, Range>>;
  CHECK(writes({0, 64 * K}) == Calls{{Call::write, {0, 64 * K}}});
  CHECK(writes({60 * K, 100 * K}, Flag::nowait) ==
        Calls{{Call::write, {60 * K, 4 * K}}, {Call::write, {64 * K, 64 * K}}, {Call::write, {128 * K, 32 * K}}});
  // Each would wait for the disk by itself.
  CHECK(writes({0, 256 * K}, Flag::fua) == Calls{{Call::write, {0, 256 * K}}});
}

TEST_CASE("direct I/O goes in whole blocks, from and to aligned memory") {
  Facts facts;
  facts.direct = true;
  facts.direct_block = 512;
  facts.memory_block = 512;
  facts.direct_end = 4 * M;
  Bench b(Kind::file, 4 * M, 512, facts);
  std::vector<std::byte> memory(3 * M + 513, std::byte{9});
  const std::size_t shift = 1 + (512 - reinterpret_cast<std::uintptr_t>(memory.data()) % 512) % 512;
  const std::span<std::byte> unaligned(memory.data() + shift, 3 * M - 512 + 512 - 512);
  Io out = Io::write(512, unaligned);
  b.disk.fault = [](Call) { return 1000; };  // a short transfer goes on at a block
  REQUIRE(b.backend->write(out).code() == 0);
  for (const auto& [call, range] : b.disk.calls) REQUIRE(aligned(range, 512));
  REQUIRE(b.disk.cells.holds({512, unaligned.size()}, 9));
  REQUIRE(only(b.disk, {512, unaligned.size()}, 4 * M));
  std::fill(unaligned.begin(), unaligned.end(), std::byte{0});
  b.disk.calls.clear();
  Io in = Io::read(512, unaligned.first(64 * K));
  REQUIRE(b.backend->read(in).code() == 0);
  for (const auto& [call, range] : b.disk.calls) REQUIRE(aligned(range, 512));
  REQUIRE(unaligned[64 * K - 1] == std::byte{9});
  REQUIRE(unaligned[64 * K] == std::byte{0});
}

TEST_CASE("direct I/O: FUA across the place where it ends is two writes and one fdatasync") {
  Facts facts;
  facts.direct = true;
  facts.direct_block = 512;
  facts.direct_end = 64 * K;
  Bench b(Kind::file, 64 * K + 100, 512, facts);
  REQUIRE(b.write({64 * K - 512, 612}, 5, Flag::fua) == 0);
  REQUIRE(b.disk.calls == std::vector<std::pair<Call, Range>>{
                              {Call::write, {64 * K - 512, 512}}, {Call::write, {64 * K, 100}}, {Call::fdatasync, {}}});
  b.disk.calls.clear();
  REQUIRE(b.write({0, 4096}, 6, Flag::fua) == 0);
  REQUIRE(b.disk.calls.size() == 1);
  REQUIRE(b.disk.write_flags == RWF_DSYNC);
}

TEST_CASE("manual zeroing: zero is left to be written, trim does nothing") {
  Bench b(Kind::file, M, 512, {.manual_zeroing = true});
  REQUIRE(b.zero({0, 512}, Flag::may_trim) == ENOTSUP);
  REQUIRE(b.trim({0, 512}) == 0);
  REQUIRE(b.disk.calls.empty());
}
