#include "protocol/admission.hpp"

#include <string>
#include <vector>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::protocol;

namespace {

using Kind = Verdict::Kind;
constexpr std::uint64_t export_size = (1 << 20) + 100;  // ends within a block
constexpr std::uint16_t all_flags = 0xded;              // everything but READ_ONLY and ROTATIONAL

Admission everything() {
  return {.size = export_size,
          .minimum = 512,
          .max_payload = 65536,
          .transmission_flags = all_flags,
          .structured = true,
          .base_allocation = true};
}
Admission read_only() {
  Admission in = everything();
  in.transmission_flags = flag_has_flags | flag_read_only | flag_send_flush | flag_send_df;
  return in;
}
Admission simple() {
  Admission in = everything();
  in.structured = in.base_allocation = false;
  in.transmission_flags &= static_cast<std::uint16_t>(~flag_send_df);
  return in;
}
Admission without(std::uint16_t flag) {
  Admission in = everything();
  in.transmission_flags &= static_cast<std::uint16_t>(~flag);
  return in;
}
Admission without_context() {
  Admission in = everything();
  in.base_allocation = false;
  return in;
}
Admission bytewise(std::uint64_t size) {
  Admission in = everything();
  in.size = size;
  in.minimum = 1;
  return in;
}

struct Case {
  std::string what;
  std::uint16_t type;
  std::uint16_t flags;
  std::uint64_t offset;
  std::uint32_t length;
  Admission in;
  Kind kind;
  std::uint32_t error = 0;
  Flags expected = Flag::none;
};

void check(const Case& c) {
  CAPTURE(c.what, c.type, c.flags, c.offset, c.length);
  const Verdict v =
      admit({.flags = c.flags, .type = c.type, .cookie = 7, .offset = c.offset, .length = c.length}, c.in);
  CHECK(static_cast<int>(v.kind) == static_cast<int>(c.kind));
  CHECK(v.error == c.error);
  CHECK((*v.text != '\0') == (c.kind == Kind::refuse));
  CHECK(v.payload == (c.type == cmd_write ? c.length : 0));
  CHECK(v.layer_flags.bits() == c.expected.bits());
}
void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) check(c);
}

constexpr std::uint16_t all_commands[] = {cmd_read,  cmd_write,        cmd_flush,       cmd_trim,
                                          cmd_cache, cmd_write_zeroes, cmd_block_status};
constexpr std::uint16_t ranged[] = {cmd_read, cmd_write, cmd_trim, cmd_cache, cmd_write_zeroes, cmd_block_status};
constexpr std::uint16_t may_be_empty[] = {cmd_read, cmd_write, cmd_trim, cmd_cache, cmd_write_zeroes};
constexpr std::uint64_t last_block = 1 << 20;  // 100 bytes long
constexpr std::uint32_t huge = 0xffffffff;
constexpr std::uint64_t far = 0xffffffffffffffff;

}  // namespace

TEST_CASE("admission: each command becomes its op") {
  const auto op = [](std::uint16_t type) { return admit({.type = type, .length = 512}, everything()).op; };
  CHECK(op(0) == Op::read);
  CHECK(op(1) == Op::write);
  CHECK(op(3) == Op::flush);
  CHECK(op(4) == Op::trim);
  CHECK(op(5) == Op::cache);
  CHECK(op(6) == Op::zero);
  CHECK(op(7) == Op::extents);
  for (std::uint16_t type : all_commands) CHECK(admit({.type = type, .length = 512}, everything()).kind == Kind::run);
}

TEST_CASE("admission: DISC disconnects, whatever stands in it") {
  check({{"plain", cmd_disc, 0, 0, 0, everything(), Kind::disconnect},
         {"filled", cmd_disc, 0xffff, far, huge, read_only(), Kind::disconnect}});
}

TEST_CASE("admission: unknown commands are EINVAL") {
  for (std::uint32_t type = 8; type <= 0xffff; ++type) {
    const Verdict v = admit({.type = static_cast<std::uint16_t>(type), .length = 512}, everything());
    REQUIRE(v.kind == Kind::refuse);
    REQUIRE(v.error == error_einval);
    REQUIRE(v.payload == 0);
  }
}

TEST_CASE("admission: a flag is taken only where it applies") {
  // Per command, the flags that the text allows: FUA everywhere.
  const std::vector<std::pair<std::uint16_t, std::uint16_t>> allowed = {
      {cmd_read, 0x05},  {cmd_write, 0x01},        {cmd_flush, 0x01},       {cmd_trim, 0x01},
      {cmd_cache, 0x01}, {cmd_write_zeroes, 0x13}, {cmd_block_status, 0x09}};
  for (auto [type, flags] : allowed)
    for (unsigned bit = 0; bit < 16; ++bit) {
      const auto flag = static_cast<std::uint16_t>(1u << bit);
      CAPTURE(type, bit);
      const Verdict v = admit({.flags = flag, .type = type, .length = 512}, everything());
      CHECK((v.kind == Kind::run) == ((flags & flag) != 0));
      if (!(flags & flag)) CHECK(v.error == error_einval);
    }
}

TEST_CASE("admission: a flag is taken only where it was offered") {
  for (std::uint16_t type : all_commands) {
    CAPTURE(type);
    CHECK(admit({.flags = cmd_flag_fua, .type = type, .length = 512}, without(flag_send_fua)).error == error_einval);
  }
  check({{"DF", cmd_read, cmd_flag_df, 0, 512, without(flag_send_df), Kind::refuse, error_einval},
         {"FAST_ZERO", cmd_write_zeroes, cmd_flag_fast_zero, 0, 512, without(flag_send_fast_zero), Kind::refuse,
          error_einval},
         {"NO_HOLE without trim", cmd_write_zeroes, cmd_flag_no_hole, 0, 512, without(flag_send_trim), Kind::run}});
}

TEST_CASE("admission: flags as the layers know them") {
  const std::uint16_t z = cmd_write_zeroes;
  check({{"may trim", z, 0, 0, 512, everything(), Kind::run, 0, Flag::may_trim},
         {"no hole", z, cmd_flag_no_hole, 0, 512, everything(), Kind::run},
         {"fast", z, cmd_flag_fast_zero, 0, 512, everything(), Kind::run, 0, Flag::may_trim | Flag::fast},
         {"all", z, 0x13, 0, 512, everything(), Kind::run, 0, Flag::fua | Flag::fast},
         {"one extent", cmd_block_status, cmd_flag_req_one, 0, 512, everything(), Kind::run, 0, Flag::req_one},
         {"write", cmd_write, cmd_flag_fua, 0, 512, everything(), Kind::run, 0, Flag::fua},
         {"trim", cmd_trim, cmd_flag_fua, 0, 512, everything(), Kind::run, 0, Flag::fua},
         {"FUA on read", cmd_read, cmd_flag_fua, 0, 512, everything(), Kind::run},
         {"FUA on flush", cmd_flush, cmd_flag_fua, 0, 0, everything(), Kind::run},
         {"FUA on cache", cmd_cache, cmd_flag_fua, 0, 512, everything(), Kind::run},
         {"FUA on block status", cmd_block_status, cmd_flag_fua, 0, 512, everything(), Kind::run}});
}

TEST_CASE("admission: the chain never sees a flag that it does not offer") {
  Admission in = everything();
  in.offered = Flag::fua;
  check({{"zero", cmd_write_zeroes, 0, 0, 512, in, Kind::run, 0, Flag::none},
         {"extents", cmd_block_status, cmd_flag_req_one, 0, 512, in, Kind::run, 0, Flag::none},
         {"write", cmd_write, cmd_flag_fua, 0, 512, in, Kind::run, 0, Flag::fua}});
}

TEST_CASE("admission: what the client asked of the reply holds whatever the chain offers") {
  const auto form = [](std::uint16_t type, std::uint16_t flags) {
    Admission in = everything();
    in.offered = Flag::none;
    return admit({.flags = flags, .type = type, .length = 512}, in).form;
  };
  CHECK(form(cmd_block_status, cmd_flag_req_one) == ReplyForm{.one_extent = true});
  CHECK(form(cmd_read, cmd_flag_df) == ReplyForm{.one_chunk = true});
  for (std::uint16_t type : all_commands) CHECK(form(type, 0) == ReplyForm{});
}

TEST_CASE("admission: writing to a read-only export is EPERM, before anything else") {
  for (std::uint16_t type : {cmd_write, cmd_trim, cmd_write_zeroes})
    check({{"plain", type, 0, 0, 512, read_only(), Kind::refuse, error_eperm},
           {"with FUA", type, cmd_flag_fua, 0, 512, read_only(), Kind::refuse, error_eperm},
           {"out of range", type, 0, far, 512, read_only(), Kind::refuse, error_eperm},
           {"empty", type, 0, 0, 0, read_only(), Kind::refuse, error_eperm}});
  check({{"read", cmd_read, 0, 0, 512, read_only(), Kind::run},
         {"flush", cmd_flush, 0, 0, 0, read_only(), Kind::run},
         {"extents", cmd_block_status, 0, 0, 512, read_only(), Kind::run}});
}

TEST_CASE("admission: commands that were not offered are EINVAL") {
  check({{"flush", cmd_flush, 0, 0, 0, without(flag_send_flush), Kind::refuse, error_einval},
         {"trim", cmd_trim, 0, 0, 512, without(flag_send_trim), Kind::refuse, error_einval},
         {"cache", cmd_cache, 0, 0, 512, without(flag_send_cache), Kind::refuse, error_einval},
         {"zero", cmd_write_zeroes, 0, 0, 512, without(flag_send_write_zeroes), Kind::refuse, error_einval},
         {"extents", cmd_block_status, 0, 0, 512, without_context(), Kind::refuse, error_einval}});
}

TEST_CASE("admission: out of range is ENOSPC for write and zero, EINVAL for the others") {
  for (std::uint16_t type : ranged) {
    const std::uint32_t error = type == cmd_write || type == cmd_write_zeroes ? error_enospc : error_einval;
    const Flags flags = type == cmd_write_zeroes ? Flag::may_trim : Flag::none;
    check({{"last block", type, 0, last_block, 100, everything(), Kind::run, 0, flags},
           {"one byte beyond", type, 0, last_block, 101, everything(), Kind::refuse, error},
           {"whole block beyond", type, 0, last_block, 512, everything(), Kind::refuse, error},
           {"starts at the end", type, 0, export_size, 1, everything(), Kind::refuse, error},
           {"starts beyond", type, 0, export_size + 412, 512, everything(), Kind::refuse, error},
           {"wraps around", type, 0, far - 511, 512, everything(), Kind::refuse, error},
           {"wraps to the start", type, 0, far - 1, 1024, everything(), Kind::refuse, error},
           {"empty beyond", type, 0, export_size + 1, 0, everything(), Kind::refuse, error},
           {"of an empty export", type, 0, 0, 1, bytewise(0), Kind::refuse, error}});
  }
}

TEST_CASE("admission: nothing to do is success, but for extents") {
  for (std::uint16_t type : may_be_empty) {
    const Flags flags = type == cmd_write_zeroes ? Flag::may_trim : Flag::none;
    check({{"at the start", type, 0, 0, 0, everything(), Kind::done, 0, flags},
           {"at the end", type, 0, export_size, 0, everything(), Kind::done, 0, flags},
           {"unaligned", type, 0, 3, 0, everything(), Kind::done, 0, flags},
           {"of an empty export", type, 0, 0, 0, bytewise(0), Kind::done, 0, flags},
           {"with a bad flag", type, 0x80, 0, 0, everything(), Kind::refuse, error_einval}});
  }
  check({{"extents", cmd_block_status, 0, 0, 0, everything(), Kind::refuse, error_einval}});
}

TEST_CASE("admission: flush takes no notice of offset and length") {
  check({{"zero", cmd_flush, 0, 0, 0, everything(), Kind::run},
         {"filled", cmd_flush, 0, far, huge, everything(), Kind::run},
         {"with a bad flag", cmd_flush, 0x02, 0, 0, everything(), Kind::refuse, error_einval}});
}

TEST_CASE("admission: unaligned requests are EINVAL") {
  for (std::uint16_t type : ranged) {
    const Flags flags = type == cmd_write_zeroes ? Flag::may_trim : Flag::none;
    check({{"offset", type, 0, 256, 512, everything(), Kind::refuse, error_einval},
           {"length", type, 0, 512, 511, everything(), Kind::refuse, error_einval},
           {"both", type, 0, 1, 511, everything(), Kind::refuse, error_einval},
           {"offset, up to the end", type, 0, last_block + 1, 99, everything(), Kind::refuse, error_einval},
           {"short of the end", type, 0, last_block, 99, everything(), Kind::refuse, error_einval},
           {"up to the end", type, 0, last_block - 512, 612, everything(), Kind::run, 0, flags},
           {"bytes where bytes are the unit", type, 0, 3, 5, bytewise(8), Kind::run, 0, flags}});
  }
}

TEST_CASE("admission: payloads have a limit, effects have none") {
  const Admission big = bytewise(1ull << 40);
  Admission big_simple = big;
  big_simple.structured = false;
  big_simple.transmission_flags &= static_cast<std::uint16_t>(~flag_send_df);
  check({{"read at the limit", cmd_read, 0, 0, 65536, big, Kind::run},
         {"read beyond", cmd_read, 0, 0, 65537, big, Kind::refuse, error_eoverflow},
         {"read beyond, in one piece", cmd_read, cmd_flag_df, 0, 65537, big, Kind::refuse, error_eoverflow},
         {"read beyond, simple", cmd_read, 0, 0, 65537, big_simple, Kind::refuse, error_einval},
         {"write at the limit", cmd_write, 0, 0, 65536, big, Kind::run},
         {"write beyond", cmd_write, 0, 0, 65537, big, Kind::refuse, error_einval},
         {"longest write", cmd_write, 0, 0, huge, big, Kind::refuse, error_einval},
         {"trim", cmd_trim, 0, 0, huge, big, Kind::run},
         {"zero", cmd_write_zeroes, 0, 0, huge, big, Kind::run, 0, Flag::may_trim},
         {"fast zero", cmd_write_zeroes, cmd_flag_fast_zero, 0, huge, big, Kind::run, 0, Flag::may_trim | Flag::fast},
         {"cache", cmd_cache, 0, 0, huge, big, Kind::run},
         {"extents", cmd_block_status, 0, 0, huge, big, Kind::run}});
}

TEST_CASE("admission: a refused write tells how much to drain") {
  check({{"read-only", cmd_write, 0, 0, 512, read_only(), Kind::refuse, error_eperm},
         {"unknown flag", cmd_write, 0x8000, 0, 512, everything(), Kind::refuse, error_einval},
         {"out of range", cmd_write, 0, far, huge, simple(), Kind::refuse, error_enospc}});
}
