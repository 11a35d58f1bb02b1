// The rules of zero and trim, one test each, named after the rule.
#include <barrier>
#include <thread>

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

const Range some{64 * K, 64 * K};
constexpr Kind both[] = {Kind::file, Kind::block};

}  // namespace

TEST_CASE("unsupported is remembered: EOPNOTSUPP, ENOSYS, ENOTTY and ENODEV are not asked for twice") {
  const int error = GENERATE(EOPNOTSUPP, ENOSYS, ENOTTY, ENODEV);
  Bench b(Kind::file);
  b.disk.fault = failing(Call::punch, error);
  REQUIRE(b.zero(some, Flag::may_trim) == 0);  // zero_range has done it
  REQUIRE(b.zero(some, Flag::may_trim) == 0);
  REQUIRE(b.trim(some) == 0);
  REQUIRE(b.disk.count(Call::punch) == 1);
  REQUIRE(b.unsupported() == Methods{Method::punch_hole});
}

TEST_CASE("EINVAL and EBUSY: the next method, and nothing is remembered") {
  const int error = GENERATE(EINVAL, EBUSY);
  Bench b(Kind::file);
  b.disk.fault = failing(Call::punch, error, 1);
  REQUIRE(b.zero(some, Flag::may_trim) == 0);
  REQUIRE(b.disk.count(Call::zero_range) == 1);
  REQUIRE(b.unsupported() == Methods{});
  REQUIRE(b.zero(some, Flag::may_trim) == 0);
  REQUIRE(b.disk.count(Call::punch) == 2);
  REQUIRE(b.disk.count(Call::zero_range) == 1);
}

TEST_CASE("EINTR: again, in every call") {
  struct Row {
    Call call;
    std::vector<Call> lacking;  // so that it comes to this call
  };
  const std::vector<Call> old{Call::write_zeroes, Call::zero_range};
  const std::vector<Call> older{Call::write_zeroes, Call::zero_range, Call::punch};
  const Row row = GENERATE_REF(values<Row>({{Call::punch, {}},
                                            {Call::zero_range, {Call::write_zeroes}},
                                            {Call::write_zeroes, {}},
                                            {Call::allocate, old},
                                            {Call::blkzeroout, old},
                                            {Call::blkdiscard, older},
                                            {Call::fdatasync, {}},
                                            {Call::read, {}},
                                            {Call::write, {}},
                                            {Call::seek, {}}}));
  int interrupted = 0;
  for (const Kind kind : both) {
    Bench b(kind);
    b.disk.lacking = row.lacking;
    int left = 3;
    b.disk.fault = [&](Call c) { return c == row.call && left-- > 0 ? -EINTR : 0; };
    INFO(testing::name(row.call) << " on a " << ashlar::fileops::name(kind));
    ashlar_extent_sink sink{nullptr, [](void*, std::uint64_t, std::uint32_t) noexcept -> std::int32_t { return 0; }};
    Io extents(Op::extents, 0, M);
    extents.ashlar_io::extents = &sink;
    std::vector<std::byte> bytes;
    for (const int status : {b.zero(some, Flag::fua), b.zero(some, Flag::may_trim), b.trim(some)})
      REQUIRE((status == 0 || status == ENOTSUP));
    REQUIRE(b.write(some, 7) == 0);
    REQUIRE(b.flush() == 0);
    REQUIRE(b.read(some, bytes) == 0);
    REQUIRE(bytes[0] == std::byte{7});
    REQUIRE(b.backend->extents(extents).code() == 0);
    if (left < 0) ++interrupted;
  }
  REQUIRE(interrupted > 0);
}

TEST_CASE("EPERM, EIO, ENOSPC and the rest: the answer to the client, at once") {
  const int error = GENERATE(EPERM, EIO, ENOSPC, EDQUOT, EFBIG, ENOMEM);
  for (const Kind kind : both) {
    Bench b(kind);
    b.disk.fault = failing(Call::punch, error);
    REQUIRE(b.zero(some, Flag::may_trim) == error);
    REQUIRE(b.trim(some) == error);
    REQUIRE(b.disk.calls.size() == 2);
    REQUIRE(b.unsupported() == Methods{});
  }
}

TEST_CASE("EBUSY on a discard is tolerated") {
  Bench b(Kind::block);
  b.disk.lacking = {Call::punch};
  b.disk.fault = failing(Call::blkdiscard, EBUSY, 1);
  REQUIRE(b.trim(some) == 0);
  REQUIRE(b.disk.cells.untouched(some));
  REQUIRE(b.trim(some) == 0);
  REQUIRE(b.disk.count(Call::blkdiscard) == 2);
}

TEST_CASE("memory of what is unsupported is shared by threads, and each discovery is logged once") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::zero_range, Call::write_zeroes};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&b, t] {
      for (std::uint64_t i = 0; i < 500; ++i)
        if (b.zero({(t * 500 + i) * 512, 512}, i % 2 == 0 ? Flag::none : Flag::may_trim) != 0) std::abort();
    });
  for (auto& thread : threads) thread.join();
  REQUIRE(b.disk.count(Call::zero_range) <= 4);  // those that were under way when it was found out
  REQUIRE(b.disk.cells.holds({0, 2000 * 512}, 0));
  REQUIRE(b.log.info.size() == 2);
  REQUIRE(b.log.info[0] == "write_zeroes is not supported here (EOPNOTSUPP) and will not be tried again");
}

TEST_CASE("10 000 zeroes without ZERO_RANGE cost one refused call per method") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::zero_range, Call::write_zeroes};
  for (int i = 0; i < 10'000; ++i) REQUIRE(b.zero(some) == 0);
  REQUIRE(b.disk.count(Call::zero_range) == 1);
  REQUIRE(b.disk.count(Call::write_zeroes) == 1);
  REQUIRE(b.disk.count(Call::punch) == 10'000);
  REQUIRE(b.disk.cells.provisioned({0, M}));
}

TEST_CASE("FAST uses only methods without a slow path, and decides before touching data") {
  SECTION("a device: PUNCH_HOLE alone, and only where the range may be deallocated") {
    Bench b(Kind::block);
    REQUIRE(b.zero(some, Flag::fast) == ENOTSUP);
    REQUIRE(b.disk.calls.empty());
    REQUIRE(b.zero(some, Flag::fast | Flag::may_trim) == 0);
    REQUIRE(b.disk.calls.size() == 1);
    b.disk.lacking = {Call::punch};
    b.disk.calls.clear();
    REQUIRE(b.zero({M - 512, 512}, Flag::fast | Flag::may_trim) == ENOTSUP);
    REQUIRE(b.disk.calls.size() == 1);
    REQUIRE(b.disk.cells.untouched({M - 512, 512}));
  }
  SECTION("a device: not when ends would have to be written") {
    Bench b(Kind::block);
    REQUIRE(b.zero({1, 4096}, Flag::fast | Flag::may_trim) == ENOTSUP);
    REQUIRE(b.disk.calls.empty());
  }
  SECTION("a file: not PUNCH_HOLE and then perhaps no allocation") {
    Bench b(Kind::file);
    b.disk.lacking = {Call::zero_range, Call::write_zeroes};
    REQUIRE(b.zero(some, Flag::fast) == ENOTSUP);
    REQUIRE(b.disk.cells.untouched({0, M}));
  }
}

TEST_CASE("a zero is never satisfied with a discard") {
  Bench b(Kind::block);
  b.disk.lacking = {Call::punch, Call::zero_range, Call::blkzeroout};
  REQUIRE(b.zero(some, Flag::may_trim) == ENOTSUP);
  REQUIRE(b.zero(some) == ENOTSUP);
  REQUIRE(b.disk.count(Call::blkdiscard) == 0);
  REQUIRE(b.disk.cells.untouched({0, M}));
}

TEST_CASE("one durability barrier, after the last step") {
  Bench b(Kind::block);
  REQUIRE(b.zero({1, 8 * K}, Flag::fua) == 0);  // a middle and two ends
  REQUIRE(b.disk.calls.size() == 4);
  REQUIRE(b.disk.count(Call::fdatasync) == 1);
  REQUIRE(b.disk.calls.back().first == Call::fdatasync);
  REQUIRE(b.trim(some, Flag::fua) == 0);
  REQUIRE(b.disk.count(Call::fdatasync) == 2);
  REQUIRE(b.disk.calls.back().first == Call::fdatasync);
}

TEST_CASE("EBUSY on a trim is not answered with a discard") {
  Bench b(Kind::block);
  b.disk.fault = failing(Call::punch, EBUSY);
  REQUIRE(b.trim(some) == 0);
  REQUIRE(b.disk.count(Call::blkdiscard) == 0);
}

TEST_CASE("a discovery that two threads make at once is logged once") {
  struct Meeting : ModelDisk {
    using ModelDisk::ModelDisk;
    std::barrier<> both_are_here{2};
    int fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) override {
      if (mode != FALLOC_FL_ZERO_RANGE) return ModelDisk::fallocate(fd, mode, offset, length);
      both_are_here.arrive_and_wait();
      return -EOPNOTSUPP;
    }
  } disk(Kind::block);  // those of a file are done one after another
  disk.lacking = {Call::blkzeroout};
  Facts facts;
  facts.kind = Kind::block;
  facts.size = M;
  Log log;
  Backend backend(facts, Fd{}, Fd{}, disk, log.host());
  const auto zero = [&backend] {
    Io io(Op::zero, 0, 512);
    static_cast<void>(backend.zero(io));
  };
  std::thread one(zero), other(zero);
  one.join();
  other.join();
  REQUIRE(std::count(log.info.begin(), log.info.end(),
                     "zero_range is not supported here (EOPNOTSUPP) and will not be tried again") == 1);
}

TEST_CASE("a backend opened for reading changes nothing") {
  for (const Kind kind : both) {
    Facts facts;
    facts.read_only = true;
    Bench b(kind, M, 512, facts);
    REQUIRE(b.zero(some) == EPERM);
    REQUIRE(b.zero(some, Flag::may_trim) == EPERM);
    REQUIRE(b.trim(some) == EPERM);
    REQUIRE(b.write(some, 1) == EPERM);
    REQUIRE(b.flush() == 0);
    REQUIRE(b.disk.calls.empty());
  }
}

TEST_CASE("what is left to be written is told at close, but not what FAST refused") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::punch, Call::zero_range, Call::write_zeroes};
  REQUIRE(b.zero({0, 128 * K}) == ENOTSUP);
  REQUIRE(b.zero(some, Flag::fast) == ENOTSUP);
  b.backend.reset();
  REQUIRE(b.log.info.back().ends_with("; 128K left to be written"));
}

TEST_CASE("what is left to be written is told once, though it was tried without waiting before") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::punch, Call::zero_range, Call::write_zeroes};
  REQUIRE(b.zero({0, 128 * K}, Flag::nowait) == ENOTSUP);
  REQUIRE(b.zero({0, 128 * K}) == ENOTSUP);
  b.backend.reset();
  REQUIRE(b.log.info.back().ends_with("; 128K left to be written"));
}

TEST_CASE("holes are looked for once there can be any, and not before") {
  const auto seeks = [](Bench& b) {
    std::vector<std::byte> bytes(4096);
    ashlar_extent_sink sink{nullptr, [](void*, std::uint64_t, std::uint32_t) noexcept -> std::int32_t { return 0; }};
    Io io = Io::read(0, bytes, Flag::may_hole);
    io.ashlar_io::extents = &sink;
    REQUIRE(b.backend->read(io).ok());
    return b.disk.count(Call::seek);
  };
  Bench written(Kind::file, M, 512, {.dense = true});
  REQUIRE(written.zero(some) == 0);  // by WRITE_ZEROES: allocated as before
  REQUIRE(seeks(written) == 0);
  Bench zeroed(Kind::file, M, 512, {.dense = true});
  REQUIRE(zeroed.zero(some, Flag::may_trim) == 0);
  REQUIRE(seeks(zeroed) > 0);
  Bench trimmed(Kind::file, M, 512, {.dense = true});
  REQUIRE(trimmed.trim(some) == 0);
  REQUIRE(seeks(trimmed) > 0);
}

TEST_CASE("a trim is clipped inward to the discard granularity") {
  Facts facts;
  facts.discard_block = 64 * K;
  SECTION("as it is") {
    Bench b(Kind::block, M, 512, facts);
    REQUIRE(b.trim({1, 200 * K}) == 0);
    REQUIRE(b.disk.calls == std::vector{std::pair{Call::punch, Range{64 * K, 128 * K}}});
  }
  SECTION("where the device begins inside a unit") {
    facts.discard_phase = 4 * K;
    Bench b(Kind::block, M, 512, facts);
    REQUIRE(b.trim({0, 200 * K}) == 0);
    REQUIRE(b.disk.calls == std::vector{std::pair{Call::punch, Range{4 * K, 192 * K}}});
  }
  SECTION("to nothing") {
    Bench b(Kind::block, M, 512, facts);
    REQUIRE(b.trim({1, 100 * K}) == 0);
    REQUIRE(b.disk.calls.empty());
  }
}

TEST_CASE("a trim ignores only what is unsupported") {
  for (const Kind kind : both) {
    Bench b(kind);
    b.disk.lacking = {Call::punch, Call::blkdiscard};
    REQUIRE(b.trim(some) == 0);
    REQUIRE(b.disk.cells.untouched({0, M}));
    b.disk.lacking = {};
    Bench c(kind);
    c.disk.fault = failing(kind == Kind::file ? Call::punch : Call::blkdiscard, EIO);
    if (kind == Kind::block) c.disk.lacking = {Call::punch};
    REQUIRE(c.trim(some) == EIO);
  }
}

TEST_CASE("every step counts: method, outcome, errno and bytes are kept and seen") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::write_zeroes};
  REQUIRE(b.zero(some) == 0);
  REQUIRE(b.zero({0, 513}, Flag::may_trim) == 0);
  b.disk.fault = failing(Call::punch, EIO);
  REQUIRE(b.trim({0, 3}) == EIO);
  const auto& abilities = b.backend->abilities();
  REQUIRE(abilities.totals(Method::zero_range).done == 1);
  REQUIRE(abilities.totals(Method::zero_range).bytes == 64 * K);
  REQUIRE(abilities.totals(Method::punch_hole).calls == 2);
  REQUIRE(abilities.totals(Method::punch_hole).done == 1);
  REQUIRE(abilities.totals(Method::punch_hole).bytes == 513);
  REQUIRE(abilities.totals(Method::punch_hole).last_error == EIO);
  REQUIRE(b.log.debug == std::vector<std::string>{"zero 64K@64K: write_zeroes EOPNOTSUPP",
                                                  "zero 64K@64K: zero_range ok", "zero 513@0: punch_hole ok",
                                                  "trim 3@0: punch_hole EIO"});
  b.backend.reset();
  const std::string totals = b.log.info.back();
  REQUIRE(totals.find("zero and trim: punch_hole 1 of 2 ok, 513 in ") == 0);
  REQUIRE(totals.find("last error EIO; zero_range 1 of 1 ok, 64K in ") != std::string::npos);
  REQUIRE(totals.find("write_zeroes 0 of 1 ok") != std::string::npos);
}

TEST_CASE("a range that must stay provisioned does") {
  const bool no_zero_range = GENERATE(false, true), no_write_zeroes = GENERATE(false, true);
  for (const Kind kind : both) {
    Bench b(kind);
    if (no_zero_range) b.disk.lacking.push_back(Call::zero_range);
    if (no_write_zeroes) b.disk.lacking.push_back(Call::write_zeroes);
    REQUIRE(b.zero(some) == 0);
    REQUIRE(b.disk.cells.holds(some, 0));
    REQUIRE(b.disk.cells.provisioned({0, M}));
  }
}

TEST_CASE("a range that may be deallocated is") {
  for (const Kind kind : both) {
    Bench b(kind);
    REQUIRE(b.zero(some, Flag::may_trim) == 0);
    REQUIRE_FALSE(b.disk.cells.provisioned(some));
  }
}

TEST_CASE("WRITE_ZEROES is used for provisioned zeroes of a file where the kernel has it") {
  Bench b(Kind::file);
  REQUIRE(b.zero(some) == 0);
  REQUIRE(b.disk.calls == std::vector{std::pair{Call::write_zeroes, some}});
}

TEST_CASE("PUNCH_HOLE and then no allocation leaves the zeroes to be written") {
  Bench b(Kind::file);
  b.disk.lacking = {Call::zero_range, Call::write_zeroes, Call::allocate};
  REQUIRE(b.zero(some) == ENOTSUP);
  REQUIRE(b.zero(some) == ENOTSUP);
  REQUIRE(b.disk.count(Call::allocate) == 1);
}
