// What went wrong in other servers, one test each, named after the mistake.
#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

constexpr std::uint64_t size = 16 * G;

}  // namespace

TEST_CASE("mistake: a large zero wipes its first 64 MiB over and over") {
  const std::uint64_t length = GENERATE(64 * M + 1, 128 * M, 4 * G - 1, 8 * G);
  const std::uint64_t offset = GENERATE(std::uint64_t{0}, 512 * K, 7 * G + 3);
  const Range range{offset, length};
  for (const Kind kind : {Kind::file, Kind::block})
    for (const Flags flags : {Flag::none, Flag::may_trim}) {
      INFO(length << "@" << offset << " of a " << name(kind));
      Bench b(kind, size);
      REQUIRE(b.zero(range, flags) == 0);
      REQUIRE(b.disk.cells.holds(range, 0));
      REQUIRE(only(b.disk, range, size));
    }
}

TEST_CASE("mistake: the zeroes that are written at a device's ends do not advance") {
  Bench b(Kind::block, M, 4096);
  b.disk.fault = [](Call call) { return call == Call::write ? 7 : 0; };  // short writes
  const Range range{4095, 20'000};
  REQUIRE(b.zero(range) == 0);
  REQUIRE(b.disk.cells.holds(range, 0));
  REQUIRE(only(b.disk, range, M));
}

TEST_CASE("mistake: a trim past the middle of the device computes a negative length") {
  for (const Kind kind : {Kind::file, Kind::block})
    for (const Range range :
         {Range{9 * G, 4 * G - 512}, Range{size - 64 * K, 64 * K}, Range{size - 512, 512}, Range{0, size}}) {
      Bench b(kind, size);
      REQUIRE(b.trim(range) == 0);
      REQUIRE(b.disk.calls == std::vector{std::pair{Call::punch, range}});
      REQUIRE(only(b.disk, range, size));
    }
}

TEST_CASE("mistake: any tolerated trim error switches hole punching off for good") {
  const int error = GENERATE(EINVAL, EBUSY);
  for (const Kind kind : {Kind::file, Kind::block}) {
    Bench b(kind);
    b.disk.fault = failing(Call::punch, error, 1);
    REQUIRE(b.trim({0, 64 * K}) == 0);
    REQUIRE(b.unsupported() == Methods{});
    REQUIRE(b.trim({64 * K, 64 * K}) == 0);
    REQUIRE_FALSE(b.disk.cells.provisioned({64 * K, 64 * K}));
    REQUIRE(b.zero({0, 64 * K}, Flag::may_trim) == 0);
    REQUIRE(b.disk.count(Call::punch) == 3);
  }
}

TEST_CASE("mistake: trim swallows real errors") {
  const int error = GENERATE(ENOSPC, EIO);
  Bench b(Kind::file);
  b.disk.fault = failing(Call::punch, error);
  REQUIRE(b.trim({0, 64 * K}) == error);
  Bench c(Kind::file);
  c.disk.fault = failing(Call::fdatasync, error);
  REQUIRE(c.trim({0, 64 * K}, Flag::fua) == error);
}

TEST_CASE("mistake: a zero that is not aligned to the device's sector fails") {
  const std::uint32_t sector = GENERATE(512u, 4096u);
  const bool old = GENERATE(false, true), may_trim = GENERATE(false, true);
  const Range range = GENERATE(Range{1, 100'000}, Range{511, 4097}, Range{5, 1}, Range{4000, 200}, Range{0, 4095},
                               Range{M - 4097, 4097}, Range{4096, 5000}, Range{8191, 1});
  Bench b(Kind::block, M, sector);
  if (old) b.disk.lacking = {Call::punch, Call::zero_range};
  REQUIRE(b.zero(range, may_trim ? Flag::may_trim : Flag::none) == 0);
  REQUIRE(b.disk.cells.holds(range, 0));
  REQUIRE(only(b.disk, range, M));
}

TEST_CASE("mistake: an unaligned zero touches its ends though nothing can zero its middle") {
  Bench b(Kind::block);
  b.disk.lacking = {Call::punch, Call::zero_range, Call::blkzeroout};
  REQUIRE(b.zero({1, 100'000}) == ENOTSUP);  // all of it is written above
  REQUIRE(b.disk.cells.untouched({0, M}));
}

TEST_CASE("mistake: ZERO_RANGE is followed by BLKDISCARD") {
  Bench b(Kind::block);
  b.disk.lacking = {Call::punch};
  REQUIRE(b.zero({0, 64 * K}, Flag::may_trim) == 0);
  REQUIRE(b.disk.cells.holds({0, 64 * K}, 0));
  REQUIRE(b.disk.count(Call::blkdiscard) == 0);
}

TEST_CASE("mistake: one refusal of one range disables a method for the whole device") {
  Bench b(Kind::block);
  b.disk.fault = failing(Call::zero_range, EINVAL, 1);
  REQUIRE(b.zero({0, 64 * K}) == 0);
  REQUIRE(b.zero({64 * K, 64 * K}) == 0);
  REQUIRE(b.disk.count(Call::zero_range) == 2);
  REQUIRE(b.disk.count(Call::blkzeroout) == 1);
}

TEST_CASE("mistake: one fdatasync per chunk when FUA meets a long zero") {
  Bench b(Kind::block, size);
  REQUIRE(b.zero({1, 4 * G}, Flag::fua) == 0);
  REQUIRE(b.disk.count(Call::fdatasync) == 1);
}

TEST_CASE("mistake: 32-bit overflow at 2^32-1") {
  for (const Kind kind : {Kind::file, Kind::block})
    for (const std::uint64_t offset : {4 * G - 1, 4 * G, 4 * G + 1, 2 * G})
      for (const std::uint64_t length : {4 * G - 1, 4 * G, 4 * G + 1, 2 * G + 1}) {
        Bench b(kind, size);
        const Range range{offset, length};
        REQUIRE(b.zero(range, Flag::may_trim) == 0);
        REQUIRE(b.disk.cells.holds(range, 0));
        REQUIRE(only(b.disk, range, size));
        Bench c(kind, size);
        REQUIRE(c.trim(range) == 0);
        REQUIRE(only(c.disk, range, size));
      }
}

TEST_CASE("mistake: fallocate with mode 0 on a block device") {
  Bench b(Kind::block);
  b.disk.lacking = {Call::punch, Call::zero_range, Call::write_zeroes, Call::blkzeroout};
  for (const Flags flags : {Flag::none, Flag::may_trim, Flag::fast, Flag::fast | Flag::may_trim})
    REQUIRE(b.zero({0, 512}, flags) == ENOTSUP);
  REQUIRE(b.trim({0, 512}) == 0);
  REQUIRE_FALSE(b.disk.mode_0_on_device);
}
