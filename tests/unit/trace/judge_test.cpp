// Judge: what a replay may hold against a server.
#include "trace/replay/judge.hpp"

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::host::traces;

namespace {

std::vector<std::byte> bytes(std::size_t n, char what) {
  return std::vector<std::byte>(n, static_cast<std::byte>(what));
}

struct Replay {
  trace::Record request(Op op, std::uint64_t offset, std::uint64_t start, std::uint64_t done) {
    trace::Record record;
    record.run = 1;
    record.op = op;
    record.offset = offset;
    record.length = 512;
    record.start = start;
    record.done = done;
    if (op == Op::read || op == Op::write) record.payload = trace::PayloadKind::data;
    return record;
  }
  void ask(const trace::Record& record, char then = 0, char now = 0, int error = 0) {
    begin(record);
    finish(record, next - 1, then, now, error);
  }
  void begin(const trace::Record& record, bool is_asked = true) {
    judge.begin(record, next, is_asked);
    ++next;
  }
  void finish(const trace::Record& record, std::uint64_t number, char then, char now, int error = 0) {
    Again again;
    again.record = record;
    again.number = number;
    again.bytes = bytes(512, now);
    again.error = error;
    again.finished = true;
    judge.finished(again, bytes(512, then));
  }

  Judge judge;
  std::uint64_t next = 0;
};

}  // namespace

TEST_CASE("a read that gives other bytes is a difference, the first of which is named") {
  Replay r;
  r.ask(r.request(Op::read, 0, 10, 20), 'a', 'a');
  r.ask(r.request(Op::read, 512, 30, 40), 'a', 'b');
  r.ask(r.request(Op::read, 1024, 50, 60), 'a', 'c');
  r.judge.end();
  CHECK(r.judge.same() == 1);
  CHECK(r.judge.different() == 2);
  REQUIRE(r.judge.first());
  CHECK(r.judge.first()->number == 1);
  CHECK(r.judge.first()->offset == 512);
}

TEST_CASE("a read is not judged when a change of its bytes was under way with it") {
  Replay r;
  SECTION("that came before") {
    r.ask(r.request(Op::write, 0, 10, 30));
    r.ask(r.request(Op::read, 256, 20, 40), 'a', 'b');
  }
  SECTION("that came after, when the read has been answered already") {
    r.ask(r.request(Op::read, 256, 10, 30), 'a', 'b');
    r.ask(r.request(Op::write, 0, 20, 40));
  }
  SECTION("that is left out") {
    r.ask(r.request(Op::read, 256, 10, 30), 'a', 'b');
    r.begin(r.request(Op::zero, 0, 20, 40), false);
  }
  r.judge.end();
  CHECK(r.judge.overlapped() == 1);
  CHECK(r.judge.different() == 0);
}

TEST_CASE("a change of other bytes, or at another time, is no excuse") {
  Replay r;
  r.ask(r.request(Op::write, 0, 10, 30), 'a', 'a');
  r.ask(r.request(Op::write, 512, 15, 16), 'a', 'a');
  r.ask(r.request(Op::read, 512, 20, 40), 'a', 'b');
  r.ask(r.request(Op::write, 512, 40, 50), 'a', 'a');
  r.judge.end();
  CHECK(r.judge.overlapped() == 0);
  CHECK(r.judge.different() == 1);
}

TEST_CASE("bytes that are not known are not judged until they are written") {
  Replay r;
  SECTION("trimmed") { r.ask(r.request(Op::trim, 0, 10, 20)); }
  SECTION("left out") { r.begin(r.request(Op::zero, 0, 10, 20), false); }
  SECTION("failed now") { r.ask(r.request(Op::write, 0, 10, 20), 0, 0, EIO); }
  SECTION("failed then") {
    auto failed = r.request(Op::write, 0, 10, 20);
    failed.result = EIO;
    r.ask(failed);
  }
  SECTION("two at the same time") {
    r.ask(r.request(Op::write, 256, 10, 20));
    r.ask(r.request(Op::write, 0, 15, 18));
  }
  r.ask(r.request(Op::read, 0, 30, 40), 'a', 'b');
  CHECK(r.judge.different() == 0);
  r.ask(r.request(Op::write, 0, 50, 60), 'a', 'a');
  r.ask(r.request(Op::read, 0, 70, 80), 'a', 'b');
  r.judge.end();
  CHECK(r.judge.unknown() == 1);
  CHECK(r.judge.different() == 1);
}

TEST_CASE("changed ranges are put together and cut") {
  Changed changed;
  const auto found = [&](std::uint64_t begin, std::uint64_t end) {
    std::string text;
    for (const auto& part : changed.within(begin, end))
      text += std::to_string(part.begin) + "-" + std::to_string(part.end) +
              (part.writer ? "#" + std::to_string(*part.writer) + " " : " ");
    return text;
  };
  changed.add({10, 20, {}});
  changed.add({30, 40, {}});
  changed.add({20, 30, {}});
  CHECK(found(0, 100) == "10-40 ");
  CHECK(found(39, 50) == "39-40 ");
  CHECK(found(40, 50).empty());
  CHECK(found(0, 10).empty());
  changed.remove(15, 35);
  CHECK(found(0, 100) == "10-15 35-40 ");
  changed.add({12, 38, 7});
  CHECK(found(11, 39) == "11-12 12-38#7 38-39 ");
  changed.add({20, 25, 8});
  CHECK(found(14, 100) == "14-20#7 20-25#8 25-38#7 38-40 ");
  changed.add({0, 12, {}});
  CHECK(found(0, 20) == "0-12 12-20#7 ");
  changed.remove(0, 100);
  CHECK(found(0, 100).empty());
}

TEST_CASE("where the replay wrote other bytes than then, it has to read them") {
  const OtherBytes other(7);
  Replay r{.judge = Judge(other)};
  const auto without_bytes = [&](std::uint64_t offset, std::uint64_t start, std::uint64_t done) {
    auto write = r.request(Op::write, offset, start, done);
    write.payload = trace::PayloadKind::hash;
    r.ask(write);
    return r.next - 1;
  };
  const auto read = [&](std::uint64_t offset, std::uint64_t length, const std::vector<std::byte>& now,
                        const std::vector<std::byte>& then = {}) {
    auto record = r.request(Op::read, offset, 30, 40);
    record.length = length;
    record.payload = trace::PayloadKind::hash;
    r.begin(record);
    r.judge.finished({.record = record, .number = r.next - 1, .bytes = now, .finished = true}, then);
    r.judge.end();
  };
  const auto hash_of = [](const std::vector<std::byte>& one) {
    const std::uint64_t hash = trace::hash_of(one);
    std::vector<std::byte> all(sizeof hash);
    std::memcpy(all.data(), &hash, sizeof hash);
    return all;
  };
  std::vector<std::byte> wanted(512);
  SECTION("which are there") {
    other.fill(wanted, 1000, without_bytes(1000, 10, 20));
    read(1000, 512, wanted);
    CHECK(r.judge.same() == 1);
  }
  SECTION("a part of which is read") {
    other.fill(wanted, 1000, without_bytes(1000, 10, 20));
    read(1003, 9, {wanted.begin() + 3, wanted.begin() + 12});
    CHECK(r.judge.same() == 1);
  }
  SECTION("which are not there") {
    other.fill(wanted, 1000, without_bytes(1000, 10, 20));
    wanted[77] ^= std::byte{1};
    read(1000, 512, wanted);
    REQUIRE(r.judge.first());
    CHECK(r.judge.first()->offset == 1077);
    CHECK(r.judge.first()->is_own);
  }
  SECTION("of which the last ones never came") {
    other.fill(wanted, 0, without_bytes(0, 10, 15));
    without_bytes(0, 16, 20);
    read(0, 512, wanted);
    CHECK(r.judge.different() == 1);
  }
  SECTION("two at the same time: either may be there") {
    without_bytes(0, 10, 20);
    without_bytes(0, 15, 25);
    read(0, 512, wanted);
    CHECK(r.judge.unknown() == 1);
  }
  SECTION("the rest of the block has no hash of its own") {
    other.fill(wanted, 0, without_bytes(0, 10, 20));
    wanted.resize(4096);
    read(0, 4096, wanted);
    CHECK(r.judge.unknown() == 1);
    CHECK(r.judge.different() == 0);
  }
  SECTION("the rest of the block has no hash of its own, and what was written is not there") {
    without_bytes(0, 10, 20);
    read(0, 4096, bytes(4096, 0));
    CHECK(r.judge.different() == 1);
  }
  SECTION("another block is as it was then") {
    without_bytes(0, 10, 20);
    read(4096, 512, bytes(512, 'a'), hash_of(bytes(512, 'a')));
    CHECK(r.judge.same() == 1);
  }
  SECTION("another block is not as it was then") {
    without_bytes(0, 10, 20);
    read(4096, 512, bytes(512, 'b'), hash_of(bytes(512, 'a')));
    CHECK(r.judge.different() == 1);
    CHECK_FALSE(r.judge.first()->is_own);
  }
}
