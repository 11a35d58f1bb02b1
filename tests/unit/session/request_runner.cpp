// Replies to everything but BLOCK_STATUS, for which see extents.cpp.
#include <algorithm>
#include <functional>

#include "fake_disk.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;

std::int32_t tell(ashlar_io& io, std::uint64_t length, std::uint32_t state) {
  return io.extents->add(io.extents->self, length, state);
}

// Puts a read's chunks together again; throws where they do not make the range, whole and in order.
Bytes assemble(const std::vector<Chunk>& chunks, std::uint64_t offset, std::size_t length) {
  Bytes data;
  for (const Chunk& c : chunks) {
    if (c.payload.size() < 8 || get64(c.payload.data()) != offset + data.size())
      throw std::runtime_error("wrong offset");
    if (c.done() != (&c == &chunks.back())) throw std::runtime_error("DONE is not on the last chunk alone");
    if (c.type == reply_type_offset_hole) {
      if (c.payload.size() != 12 || get32(c.payload.data() + 8) == 0) throw std::runtime_error("wrong hole");
      data.resize(data.size() + get32(c.payload.data() + 8));
    } else if (c.type == reply_type_offset_data && c.payload.size() > 8) {
      data.insert(data.end(), c.payload.begin() + 8, c.payload.end());
    } else {
      throw std::runtime_error("wrong type of chunk");
    }
  }
  if (data.size() != length) throw std::runtime_error("wrong length");
  return data;
}

}  // namespace

TEST_CASE("what the layers tell of a read's zeroes goes as holes, and what they left in their place does not") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_MAY_HOLE;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    disk.serve(io);
    std::memset(static_cast<std::byte*>(io.data) + 1000, 0xcc, 5000);  // anything may stand there
    tell(io, 1000, 0);
    tell(io, 4000, ASHLAR_ZERO | ASHLAR_HOLE);
    tell(io, 1000, ASHLAR_ZERO);
    tell(io, 0x40000000, 0);  // the last may reach past the end
    return 0;
  };
  disk.open();
  Replies r(disk);
  REQUIRE(r.run(r.ask(cmd_read, 100, 10'000)).kind == Reply::Kind::ready);
  Bytes wanted = disk.contents(100, 10'000);
  std::fill(wanted.begin() + 1000, wanted.begin() + 6000, std::byte{});
  const auto chunks = r.chunks();
  CHECK(assemble(chunks, 100, 10'000) == wanted);
  REQUIRE(chunks.size() == 3);
  CHECK(chunks[1].type == reply_type_offset_hole);
}

TEST_CASE("a read in more pieces than are kept is answered in one, once more, without holes") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_MAY_HOLE;
  constexpr std::uint32_t length = 1 << 20;
  int calls = 0;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    ++calls;
    if (io.extents == nullptr) return disk.serve(io);
    for (std::uint32_t at = 0; at < length && tell(io, 64, at / 64 % 2 * ASHLAR_ZERO) == 0; at += 64) {
    }
    return 0;
  };
  disk.open();
  Replies r(disk);
  CHECK(r.run(r.ask(cmd_read, 0, length)).kind == Reply::Kind::ready);
  CHECK(assemble(r.chunks(), 0, length) == disk.contents(0, length));
  CHECK(calls == 2);
}

TEST_CASE("DF, simple replies and layers without holes: no sink, and the data in one piece") {
  FakeDisk disk;
  bool had_sink = false;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    had_sink = io.extents != nullptr || (io.flags & ASHLAR_MAY_HOLE) != 0;
    return disk.serve(io);
  };
  SECTION("DF") {
    disk.plugin.geometry.flags = ASHLAR_MAY_HOLE;
    disk.open();
    Replies r(disk);
    const Chunk c = r.one(r.ask(cmd_read, 100, 5000, cmd_flag_df));
    CHECK(assemble({c}, 100, 5000) == disk.contents(100, 5000));
  }
  SECTION("not offered") {
    disk.open();
    Replies r(disk);
    CHECK(assemble({r.one(r.ask(cmd_read, 100, 5000))}, 100, 5000) == disk.contents(100, 5000));
  }
  SECTION("simple") {
    disk.plugin.geometry.flags = ASHLAR_MAY_HOLE;
    disk.open();
    Replies r(disk, false);
    CHECK(r.run(r.ask(cmd_read, 100, 5000)).bytes == simple_reply_size + 5000);
    CHECK(r.chunks().front().error == 0);
    CHECK(r.chunks().front().cookie == 0x0123456789abcdef);
    CHECK(Bytes(r.bytes.begin() + simple_reply_size, r.bytes.end()) == disk.contents(100, 5000));
  }
  CHECK_FALSE(had_sink);
}

TEST_CASE("a read's data stand where they can be aligned") {
  FakeDisk disk;
  void* data = nullptr;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) { return data = io.data, disk.serve(io); };
  disk.open();
  const bool structured = GENERATE(true, false);
  Replies r(disk, structured);
  const Asked asked = r.ask(cmd_read, 0, 512);
  Bytes room(r.runner.reply_bytes(asked));
  r.runner.run(asked, room.data(), Flag::none);
  CHECK(data == room.data() + r.runner.data_offset());
}

TEST_CASE("extents of a read that do not add up are an error, logged, and no data go out") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_MAY_HOLE;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) { return tell(io, 99, ASHLAR_ZERO), 0; };
  disk.open();
  Replies r(disk);
  const Chunk c = r.one(r.ask(cmd_read, 0, 100));
  CHECK(c.type == reply_type_error);
  CHECK(c.error == error_eio);
  CHECK_THAT(disk.exported().log.text(), ContainsSubstring("read offset 0 length 100"));
}

TEST_CASE("errors of the layers reach the client as the protocol has them, whatever their number") {
  FakeDisk disk;
  std::int32_t answer = 0;
  disk.plugin.process = [&](ashlar_io&, const ashlar_open&) { return answer; };
  disk.open();
  const bool structured = GENERATE(true, false);
  Replies r(disk, structured);
  const auto error_of = [&](std::uint16_t type, std::int32_t status) {
    answer = status;
    const Chunk c = r.one(r.ask(type, 0, type == cmd_flush ? 0 : 512));
    CHECK(c.structured == structured);
    CHECK(c.cookie == 0x0123456789abcdef);
    if (structured) {
      CHECK(c.done());
      REQUIRE(c.payload.size() > 6);
      CHECK(get16(c.payload.data() + 4) == c.payload.size() - 6);
    }
    return c.error;
  };
  for (const std::uint16_t type : {cmd_read, cmd_write, cmd_flush, cmd_trim, cmd_write_zeroes, cmd_cache}) {
    CHECK(error_of(type, EIO) == error_eio);
    CHECK(error_of(type, ENOSPC) == error_enospc);
    CHECK(error_of(type, EROFS) == error_eperm);
    CHECK(error_of(type, ENOTSUP) == error_einval);
    // Modules that lie.
    for (const std::int32_t wrong : {-1, -EIO, INT32_MIN, 4096, INT32_MAX, EAGAIN})
      CHECK(error_of(type, wrong) == error_eio);
  }
}

TEST_CASE("success without data is a simple reply; a read of nothing a chunk of nothing") {
  FakeDisk disk;
  disk.open();
  Replies r(disk);
  const Bytes payload = pattern(512, 3);
  for (const std::uint16_t type : {cmd_write, cmd_flush, cmd_trim, cmd_write_zeroes, cmd_cache}) {
    const Chunk c = r.one(r.ask(type, 1024, type == cmd_flush ? 0 : 512, 0, payload.data()));
    CHECK_FALSE(c.structured);
    CHECK(c.error == 0);
  }
  CHECK(disk.contents(1024, 512) == payload);
  const Chunk none = r.one(r.ask(cmd_read, 100, 0));
  CHECK(none.type == reply_type_none);
  CHECK(none.done());
  Replies simple(disk, false);
  CHECK(simple.one(simple.ask(cmd_read, 100, 0)).error == 0);
}

TEST_CASE("what the layers get is what the client asked for, and flags only that they offer") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_FUA | ASHLAR_MAY_TRIM | ASHLAR_FAST;
  disk.plugin.geometry.bytes = UINT64_C(1) << 40;
  ashlar_io seen{};
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) { return seen = io, 0; };
  disk.open();
  Replies r(disk);
  const auto got = [&](const Asked& asked, std::uint32_t op, std::uint64_t offset, std::uint64_t length,
                       std::uint64_t flags) {
    r.run(asked, Flag::shortcuts);
    return seen.op == op && seen.offset == offset && seen.length == length && seen.flags == flags &&
           seen.struct_size == sizeof seen;
  };
  constexpr std::uint64_t far = (UINT64_C(1) << 40) - UINT32_MAX;
  CHECK(got(r.ask(cmd_write_zeroes, far, UINT32_MAX), ASHLAR_OP_ZERO, far, UINT32_MAX, ASHLAR_MAY_TRIM));
  CHECK(got(r.ask(cmd_write_zeroes, 1, 2, cmd_flag_no_hole | cmd_flag_fast_zero | cmd_flag_fua), ASHLAR_OP_ZERO, 1, 2,
            ASHLAR_FAST | ASHLAR_FUA));
  CHECK(got(r.ask(cmd_trim, far, UINT32_MAX, cmd_flag_fua), ASHLAR_OP_TRIM, far, UINT32_MAX, ASHLAR_FUA));
  CHECK(got(r.ask(cmd_cache, far, UINT32_MAX), ASHLAR_OP_CACHE, far, UINT32_MAX, 0));
  CHECK(got(r.ask(cmd_flush, 0, 0), ASHLAR_OP_FLUSH, 0, 0, 0));
  CHECK(got(r.ask(cmd_flush, 77, 88), ASHLAR_OP_FLUSH, 0, 0, 0));
  CHECK(got(r.ask(cmd_read, far, 100), ASHLAR_OP_READ, far, 100, 0));
}

TEST_CASE("a fast zero that is refused is an answer, not a failure") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_FAST;
  disk.plugin.process = [&](ashlar_io&, const ashlar_open&) { return ENOTSUP; };
  disk.open();
  Replies r(disk);
  CHECK(r.one(r.ask(cmd_write_zeroes, 0, 512, cmd_flag_fast_zero)).error == error_enotsup);
  CHECK(r.one(r.ask(cmd_write_zeroes, 0, 512)).error == error_einval);
}

TEST_CASE("EAGAIN means to ask again only of one who was told not to wait") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_NOWAIT | ASHLAR_MAY_HOLE;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_READ) tell(io, 1, ASHLAR_ZERO);  // begun, and given up
    return EAGAIN;
  };
  disk.open();
  Replies r(disk);
  CHECK(r.runner.can_nowait());
  for (const std::uint16_t type : {cmd_read, cmd_write, cmd_flush, cmd_block_status}) {
    const Asked asked = r.ask(type, 0, 512);
    CHECK(r.run(asked, Flag::nowait).kind == Reply::Kind::would_block);
    CHECK(r.run(asked).kind == Reply::Kind::ready);
    CHECK(r.chunks().front().error == error_eio);
  }
}

TEST_CASE("a layer that writes into its request does not get its way") {
  FakeDisk disk;
  disk.plugin.geometry.flags = 0;
  std::int32_t answer = 0;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    disk.serve(io);
    io.flags = UINT64_MAX;
    io.offset = 4711;
    io.length = 1;
    return answer;
  };
  disk.open();
  Replies r(disk);
  CHECK(assemble({r.one(r.ask(cmd_read, 100, 512))}, 100, 512) == disk.contents(100, 512));
  answer = EAGAIN;
  CHECK(r.one(r.ask(cmd_read, 100, 512)).error == error_eio);
  CHECK(r.one(r.ask(cmd_write_zeroes, 100, 512)).error == error_eio);
}

TEST_CASE("lent data: the header, where they are, and a tail that tells how it went") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_MAY_LEND | ASHLAR_MAY_HOLE | ASHLAR_MAY_LEND_COLD | ASHLAR_NOWAIT;
  bool cold = false;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.extents != nullptr) tell(io, 1, ASHLAR_ZERO);  // of no meaning when the whole is lent
    io.lent_fd = 33;
    io.lent_offset = 44;
    io.lent_cold = cold;
    return 0;
  };
  disk.open();
  SECTION("structured") {
    Replies r(disk);
    const Asked asked = r.ask(cmd_read, 100, 512);
    const Reply reply = r.run(asked, Flag::shortcuts);
    CHECK(reply.kind == Reply::Kind::lent);
    CHECK(reply.fd == 33);
    CHECK(reply.fd_offset == 44);
    // With data and tail behind it, it is a whole reply.
    r.bytes.resize(data_header_size(true) + 512);
    Bytes tail(max_error_size);
    tail.resize(r.runner.lent_tail(asked, tail.data(), 0));
    append(r.bytes, tail);
    auto chunks = r.chunks();
    REQUIRE(chunks.size() == 2);
    CHECK_FALSE(chunks[0].done());
    CHECK(chunks[1].type == reply_type_none);
    CHECK(chunks[1].done());

    r.bytes.assign(max_error_size, {});
    r.bytes.resize(r.runner.lent_tail(asked, r.bytes.data(), EIO));
    chunks = r.chunks();
    REQUIRE(chunks.size() == 1);
    CHECK(chunks[0].error == error_eio);
    CHECK(chunks[0].done());
  }
  SECTION("simple") {
    Replies r(disk, false);
    const Asked asked = r.ask(cmd_read, 100, 512);
    CHECK(r.run(asked, Flag::shortcuts).kind == Reply::Kind::lent);
    CHECK(r.bytes.size() == simple_reply_size);
    Bytes tail(max_error_size);
    CHECK(r.runner.lent_tail(asked, tail.data(), 0) == 0);
    CHECK(r.runner.lent_tail(asked, tail.data(), EIO) == 0);
  }
  SECTION("cold") {
    cold = true;
    Replies r(disk);
    const Asked asked = r.ask(cmd_read, 100, 512);
    const Reply reply = r.run(asked, Flag::shortcuts);
    CHECK(reply.kind == Reply::Kind::cold);
    CHECK(reply.fd == 33);
    CHECK(reply.fd_offset == 44);
    CHECK(r.run(asked, Flag::may_lend | Flag::nowait).kind == Reply::Kind::lent);
  }
  SECTION("by one who was not asked to: not sent, for the data are not here") {
    Replies r(disk);
    CHECK(r.one(r.ask(cmd_read, 100, 512)).error == error_eio);
  }
}

namespace {

// A disk that answers reads without memory as `answer` says, and what it was asked.
struct Lender {
  FakeDisk disk;
  std::function<std::int32_t(ashlar_io&)> answer = [](ashlar_io&) { return EAGAIN; };
  ashlar_io seen{};
  int calls = 0;

  explicit Lender(std::uint64_t flags = ASHLAR_FLAGS_KNOWN) {
    disk.plugin.geometry.flags = flags;
    disk.plugin.process = [this](ashlar_io& io, const ashlar_open&) {
      ++calls;
      seen = io;
      return answer(io);
    };
    disk.open();
  }
};
constexpr std::uint32_t large = 512 << 10;

}  // namespace

TEST_CASE("to lend: asked for without memory, and only of layers that know how") {
  const std::uint64_t needed = ASHLAR_NOWAIT | ASHLAR_MAY_LEND | ASHLAR_LEND_ONLY;
  const auto asked = [](Lender& l, bool structured, std::uint16_t flags = 0) {
    Replies r(l.disk, structured);
    CHECK(r.try_lend(r.ask(cmd_read, 4096, large, flags)).kind == Reply::Kind::would_block);
    CHECK(r.bytes.empty());
    CHECK(l.seen.data == nullptr);
    CHECK((l.seen.extents != nullptr) == ((l.seen.flags & ASHLAR_MAY_HOLE) != 0));
    return l.seen.flags;
  };
  Lender all, plain(needed);
  CHECK(asked(all, true) == (needed | ASHLAR_MAY_LEND_COLD | ASHLAR_MAY_HOLE));
  CHECK(all.seen.offset == 4096);
  CHECK(all.seen.length == large);
  CHECK(asked(all, true, cmd_flag_df) == (needed | ASHLAR_MAY_LEND_COLD));
  CHECK(asked(all, false) == (needed | ASHLAR_MAY_LEND_COLD));
  CHECK(asked(plain, true) == needed);
  for (const std::uint64_t lacking : {ASHLAR_NOWAIT, ASHLAR_MAY_LEND, ASHLAR_LEND_ONLY}) {
    Lender without(ASHLAR_FLAGS_KNOWN & ~lacking);
    Replies r(without.disk);
    CHECK(r.try_lend(r.ask(cmd_read, 0, large)).kind == Reply::Kind::would_block);
    CHECK(without.calls == 0);
  }
  // And of a read that brings memory, never.
  Replies r(all.disk);
  r.run(r.ask(cmd_read, 0, 4096), Flag::shortcuts);
  CHECK((all.seen.flags & ASHLAR_LEND_ONLY) == 0);
  CHECK(all.seen.data != nullptr);
}

TEST_CASE("to lend: bytes in memory, bytes on the disk") {
  Lender l;
  const bool structured = GENERATE(true, false), cold = GENERATE(true, false);
  l.answer = [&](ashlar_io& io) {
    io.lent_fd = 33;
    io.lent_offset = 44;
    io.lent_cold = cold;
    return 0;
  };
  Replies r(l.disk, structured);
  const Reply reply = r.try_lend(r.ask(cmd_read, 0, large));
  CHECK(reply.kind == (cold ? Reply::Kind::cold : Reply::Kind::lent));
  CHECK(reply.fd == 33);
  CHECK(reply.fd_offset == 44);
  CHECK(reply.bytes == (cold ? 0 : data_header_size(structured)));
}

TEST_CASE("to lend: zeroes all over are a hole, of any length") {
  Lender l;
  l.answer = [](ashlar_io& io) {
    tell(io, 1, ASHLAR_ZERO);
    tell(io, UINT64_MAX, ASHLAR_ZERO | ASHLAR_HOLE);
    return 0;
  };
  Replies r(l.disk);
  for (const std::uint32_t length : {large, 2u}) {
    const Chunk c = [&] {
      CHECK(r.try_lend(r.ask(cmd_read, 100, length)).kind == Reply::Kind::ready);
      return r.chunks().front();
    }();
    CHECK(c.type == reply_type_offset_hole);
    CHECK(assemble({c}, 100, length) == Bytes(length));
  }
}

TEST_CASE("to lend: an error is the client's; a layer that neither lends nor tells of zeroes is at fault") {
  Lender l;
  Replies r(l.disk);
  const auto error = [&] {
    CHECK(r.try_lend(r.ask(cmd_read, 0, large)).kind == Reply::Kind::ready);
    return r.chunks().front().error;
  };
  l.answer = [](ashlar_io&) { return ENOMEM; };
  CHECK(error() == error_enomem);
  l.answer = [](ashlar_io&) { return 0; };
  CHECK(error() == error_eio);
  l.answer = [](ashlar_io& io) { return tell(io, large, 0), 0; };
  CHECK(error() == error_eio);
  l.answer = [](ashlar_io& io) { return tell(io, large - 1, ASHLAR_ZERO), 0; };
  CHECK(error() == error_eio);
  l.answer = [](ashlar_io& io) { return tell(io, 1, 0), tell(io, large, ASHLAR_ZERO), 0; };
  CHECK(error() == error_eio);
  CHECK_THAT(l.disk.exported().log.text(), ContainsSubstring("read offset 0 length 524288: Input/output error"));
  // What was told before it gave up is of no meaning.
  l.answer = [](ashlar_io& io) { return tell(io, large, ASHLAR_ZERO), EAGAIN; };
  CHECK(r.try_lend(r.ask(cmd_read, 0, large)).kind == Reply::Kind::would_block);
}

TEST_CASE("what is refused or needs nothing done gets its reply without the layers") {
  FakeDisk disk;
  disk.plugin.process = [](ashlar_io&, const ashlar_open&) { return ENOSPC; };
  disk.open();
  const bool structured = GENERATE(true, false);
  Replies r(disk, structured);
  CHECK(r.one(r.ask(cmd_read, 1 << 20, 1)).error == error_einval);
  CHECK(r.one(r.ask(99, 0, 0)).error == error_einval);
  CHECK(r.one(r.ask(cmd_write, (1 << 20) - 1, 2)).error == error_enospc);
  CHECK(r.one(r.ask(cmd_trim, 0, 0)).error == 0);
}

TEST_CASE("failures of one connection are all counted, the first of them logged") {
  FakeDisk disk;
  disk.plugin.process = [](ashlar_io&, const ashlar_open&) { return EIO; };
  disk.open();
  Replies r(disk);
  for (int i = 0; i < 100; ++i) r.run(r.ask(cmd_read, 0, 1));
  const std::string text = disk.exported().log.text();
  const auto lines = std::count(text.begin(), text.end(), '\n');
  CHECK(lines > 0);
  CHECK(lines < 100);
  CHECK_THAT(text, ContainsSubstring("export \"disk\": read offset 0 length 1: Input/output error"));
}

}  // namespace ashlar::host
