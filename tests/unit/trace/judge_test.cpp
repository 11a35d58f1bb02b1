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
  SECTION("without bytes") {
    auto without = r.request(Op::write, 0, 10, 20);
    without.payload = trace::PayloadKind::hash;
    r.ask(without);
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

TEST_CASE("unknown ranges are put together and cut") {
  Unknown unknown;
  unknown.add(10, 20);
  unknown.add(30, 40);
  unknown.add(20, 30);
  CHECK(unknown.overlaps(39, 50));
  CHECK_FALSE(unknown.overlaps(40, 50));
  CHECK_FALSE(unknown.overlaps(0, 10));
  unknown.remove(15, 35);
  CHECK(unknown.overlaps(14, 15));
  CHECK_FALSE(unknown.overlaps(15, 35));
  CHECK(unknown.overlaps(34, 36));
  unknown.remove(0, 100);
  CHECK_FALSE(unknown.overlaps(0, 100));
}
