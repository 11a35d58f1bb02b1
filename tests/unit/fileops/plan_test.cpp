// The plan as a table, what an errno means, and how ranges are cut.
#include <cerrno>
#include <string>
#include <vector>

#include "catch.hpp"
#include "fileops/range.hpp"
#include "fileops/zero_plan.hpp"

using namespace ashlar::fileops;

namespace {

std::string text(const Plan& plan) {
  std::string all;
  for (const Method method : plan) {
    if (!all.empty()) all += ' ';
    all += name(method);
  }
  return all;
}

constexpr Methods nothing;
const Methods no_punch{Method::punch_hole};
const Methods old_kernel = Methods{Method::punch_hole} | Method::zero_range;

}  // namespace

TEST_CASE("the plan of a zero") {
  struct Row {
    Kind kind;
    bool may_trim, fast, aligned;
    Methods unsupported;
    const char* plan;
  };
  constexpr bool yes = true, no = false;
  constexpr Kind file = Kind::file, block = Kind::block;
  const Row rows[] = {
      // kind  trim fast aligned unsupported         plan
      {file, yes, no, yes, nothing, "punch_hole zero_range"},
      {file, no, no, yes, nothing, "write_zeroes zero_range punch_and_allocate"},
      {file, yes, yes, yes, nothing, "punch_hole zero_range"},
      {file, no, yes, yes, nothing, "zero_range"},
      {file, yes, no, no, nothing, "punch_hole zero_range"},
      {file, no, no, no, nothing, "write_zeroes zero_range punch_and_allocate"},
      {file, no, no, yes, Method::write_zeroes, "zero_range punch_and_allocate"},
      {file, no, no, yes, Methods{Method::write_zeroes} | Method::zero_range, "punch_and_allocate"},
      {file, no, yes, yes, Method::zero_range, ""},
      {file, yes, no, yes, no_punch, "zero_range"},
      {file, no, no, yes, no_punch, "write_zeroes zero_range"},  // then punch_and_allocate cannot work either
      {file, yes, no, yes, old_kernel, ""},
      {block, yes, no, yes, nothing, "punch_hole zero_range blkzeroout"},
      {block, no, no, yes, nothing, "zero_range blkzeroout"},
      {block, yes, yes, yes, nothing, "punch_hole"},
      {block, no, yes, yes, nothing, ""},
      {block, yes, no, no, nothing, ""},
      {block, no, no, no, nothing, ""},
      {block, yes, no, yes, old_kernel, "blkzeroout"},
      {block, no, no, yes, old_kernel, "blkzeroout"},
      {block, yes, yes, yes, old_kernel, ""},
      {block, no, no, yes, old_kernel | Method::blkzeroout, ""},
  };
  for (const Row& row : rows) {
    INFO(name(row.kind) << " may_trim " << row.may_trim << " fast " << row.fast << " aligned " << row.aligned
                        << " unsupported " << row.unsupported.bits());
    CHECK(text(plan_zero({row.kind, row.may_trim, row.fast, row.aligned, row.unsupported})) == row.plan);
  }
}

TEST_CASE("the plan of a trim") {
  const auto plan = [](Kind kind, bool aligned, Methods unsupported) {
    return text(plan_trim({kind, true, false, aligned, unsupported}));
  };
  CHECK(plan(Kind::file, true, nothing) == "punch_hole");
  CHECK(plan(Kind::file, false, nothing) == "punch_hole");
  CHECK(plan(Kind::file, true, no_punch) == "");
  CHECK(plan(Kind::block, true, nothing) == "punch_hole blkdiscard");
  CHECK(plan(Kind::block, true, no_punch) == "blkdiscard");
  CHECK(plan(Kind::block, false, nothing) == "");
  CHECK(plan(Kind::block, true, no_punch | Method::blkdiscard) == "");
}

TEST_CASE("no plan of a zero has blkdiscard, and none of a FAST one has a slow method, whatever is known") {
  for (std::uint32_t known = 0; known < 1u << method_count; ++known)
    for (const Kind kind : {Kind::file, Kind::block})
      for (const bool may_trim : {false, true})
        for (const bool fast : {false, true})
          for (const Method method : plan_zero({kind, may_trim, fast, true, Methods{known}})) {
            REQUIRE(method != Method::blkdiscard);
            REQUIRE_FALSE(Methods{known}.has(method));
            if (!may_trim) REQUIRE(method != Method::punch_hole);
            if (fast) REQUIRE((method == Method::punch_hole || (method == Method::zero_range && kind == Kind::file)));
            if (kind == Kind::block) REQUIRE((method != Method::punch_and_allocate && method != Method::write_zeroes));
          }
}

TEST_CASE("what an errno means") {
  for (const int error : {EOPNOTSUPP, ENOTSUP, ENOSYS, ENOTTY, ENODEV}) CHECK(verdict(error) == Verdict::unsupported);
  for (const int error : {EINVAL, EBUSY}) CHECK(verdict(error) == Verdict::not_here);
  for (const int error : {EIO, ENOSPC, EPERM, EFBIG, ENOMEM, EDQUOT, EBADF}) CHECK(verdict(error) == Verdict::failed);
  CHECK(verdict(0) == Verdict::done);
}

TEST_CASE("a range is clipped inward to a block") {
  CHECK(clip_inward({0, 4096}, 512) == Range{0, 4096});
  CHECK(clip_inward({1, 4096}, 512) == Range{512, 3584});
  CHECK(clip_inward({511, 514}, 512) == Range{512, 512});
  CHECK(clip_inward({1, 511}, 512).empty());
  CHECK(clip_inward({0, 511}, 512).empty());
  CHECK(clip_inward({513, 1023}, 512) == Range{1024, 512});
  CHECK(clip_inward({0, 10'000}, 4096, 1024) == Range{1024, 8192});
  CHECK(clip_inward({1024, 4096}, 4096, 1024) == Range{1024, 4096});
  CHECK(clip_inward({1025, 4095}, 4096, 1024).empty());
  CHECK(clip_inward({0, 1000}, 4096, 1024).empty());
  CHECK(clip_inward({INT64_MAX - 10'000ull, 10'000}, 4096) == Range{0x7fffffffffffe000ull, 4096});
}

TEST_CASE("a range is split where blocks end, without gap or overlap") {
  for (std::uint64_t offset = 0; offset < 20; ++offset)
    for (std::uint64_t length = 1; length < 40; ++length) {
      INFO(length << "@" << offset);
      const Split parts = split({offset, length}, 8);
      REQUIRE(parts.head.offset == offset);
      REQUIRE(parts.head.end() == parts.middle.offset);
      REQUIRE(parts.middle.end() == parts.tail.offset);
      REQUIRE(parts.tail.end() == offset + length);
      REQUIRE(aligned({parts.middle.empty() ? 0 : parts.middle.offset, parts.middle.length}, 8));
      REQUIRE(parts.head.length + parts.tail.length < 16);
      if (!parts.middle.empty()) REQUIRE((parts.head.length < 8 && parts.tail.length < 8));
    }
}
