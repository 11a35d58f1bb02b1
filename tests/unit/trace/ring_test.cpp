// The ring between a connection's threads and the one that writes, and what belongs together of its events.
#include <atomic>
#include <cstring>
#include <new>
#include <thread>

#include "catch.hpp"
#include "pending.hpp"
#include "ring.hpp"

using namespace ashlar::trace;

namespace {

bool put(Ring& ring, std::uint64_t value, std::size_t bytes = 8, std::size_t spare = 0) {
  Ring::Event* const event = ring.claim(bytes, spare);
  if (event == nullptr) return false;
  std::memcpy(event->bytes(), &value, sizeof value);
  ring.put(event, bytes, 7);
  return true;
}

std::uint64_t value_of(const Ring::Event& event) {
  std::uint64_t value = 0;
  std::memcpy(&value, event.bytes(), sizeof value);
  return value;
}

Asked asked(std::uint64_t id, std::uint64_t start, std::uint64_t done, std::int32_t result = 0) {
  Asked a{};
  a.id = id;
  a.offset = 4096;
  a.length = 512;
  a.start = start;
  a.done = done;
  a.result = result;
  a.depth = static_cast<std::uint32_t>(start);
  return a;
}

std::vector<RecordEntry> sent(Pending& pending, std::uint64_t id, std::uint64_t time, bool told = true) {
  std::vector<RecordEntry> records;
  pending.sent({.id = id, .time = told ? time : 0}, [&](const Pending::One& one) { records.push_back(one.record); });
  return records;
}

}  // namespace

TEST_CASE("A ring gives what was put in, in order, for any size and many times around") {
  Ring ring(4096);
  std::uint64_t in = 0, out = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::size_t bytes = 8 + static_cast<std::size_t>(round * 37 % 600);
    while (put(ring, in, bytes)) ++in;
    while (Ring::Event* const event = ring.front()) {
      if (event->kind != 7 || value_of(*event) != out)
        FAIL("event " << value_of(*event) << " where " << out << " is due");
      ++out;
      ring.pop();
      if (out % 3 == 0) break;
    }
  }
  while (Ring::Event* const event = ring.front()) {
    if (value_of(*event) != out++) FAIL("out of order");
    ring.pop();
  }
  CHECK(out == in);
  CHECK(in > 2000);
}

TEST_CASE("A full ring takes nothing more, and leaves room for what may use the spare bytes") {
  Ring ring(4096);
  std::size_t n = 0;
  while (put(ring, n, 8, 1024)) ++n;
  CHECK(n == (4096 - 1024) / 16);
  while (put(ring, n)) ++n;
  CHECK(n == 4096 / 16);
  CHECK(ring.room() == 0);
  REQUIRE(ring.front() != nullptr);
  ring.pop();
  CHECK_FALSE(put(ring, n));  // until the room is given back
  ring.release();
  CHECK(put(ring, n));
  CHECK_FALSE(put(ring, n));
}

TEST_CASE("A full ring of which all has been popped is not read again") {
  Ring ring(16 << 10);
  std::size_t n = 0;
  while (put(ring, n, 8)) ++n;
  std::size_t taken = 0;
  for (; taken <= n && ring.front() != nullptr; ++taken) ring.pop();
  CHECK(taken == n);
}

TEST_CASE("An event that is claimed and not put yet holds those behind it back") {
  Ring ring(4096);
  Ring::Event* const first = ring.claim(8, 0);
  REQUIRE(put(ring, 2));
  CHECK(ring.front() == nullptr);
  ring.put(first, 8, 7);
  REQUIRE(ring.front() != nullptr);
}

TEST_CASE("Many threads put in what one takes out; nothing is lost, torn or given twice") {
  Ring ring(16 << 10);
  constexpr std::uint64_t threads = 4, each = 50'000;
  std::atomic<std::uint64_t> refused{0};
  std::vector<std::thread> all;
  for (std::uint64_t t = 0; t < threads; ++t)
    all.emplace_back([&, t] {
      for (std::uint64_t n = 0; n < each; ++n) {
        const std::size_t words = 1 + (n + t) % 40;
        Ring::Event* event = nullptr;
        while ((event = ring.claim(words * 8, 0)) == nullptr) {
          ++refused;
          std::this_thread::yield();
        }
        for (std::size_t w = 0; w < words; ++w) {
          const std::uint64_t value = t << 32 | n;
          std::memcpy(event->bytes() + w * 8, &value, 8);
        }
        ring.put(event, words * 8, 7);
      }
    });
  std::uint64_t next[threads] = {}, taken = 0, wrong = 0;
  while (taken < threads * each) {
    Ring::Event* const event = ring.front();
    if (event == nullptr) {
      std::this_thread::yield();
      continue;
    }
    const std::uint64_t value = value_of(*event), t = value >> 32, n = value & UINT32_MAX;
    const std::size_t words = 1 + (n + t) % 40;
    bool sound = t < threads && n == next[t] && event->size == Ring::size_of(words * 8);
    for (std::size_t w = 0; sound && w < words; ++w) sound = std::memcmp(event->bytes() + w * 8, &value, 8) == 0;
    if (!sound) ++wrong;
    else ++next[t];
    ring.pop();
    ++taken;
  }
  for (std::thread& one : all) one.join();
  CHECK(wrong == 0);
  CHECK(ring.front() == nullptr);
}

TEST_CASE("Large events are taken out whole, and their memory is zero again") {
  Ring ring(4 << 20);
  for (int round = 0; round < 10; ++round) {
    const std::size_t bytes = 1'000'001;
    Ring::Event* const event = ring.claim(bytes, 0);
    REQUIRE(event != nullptr);
    for (std::size_t i = 0; i < bytes; ++i)
      if (event->bytes()[i] != std::byte{0}) FAIL("round " << round << ": byte " << i);
    std::memset(event->bytes(), 0xff, bytes);
    ring.put(event, bytes, 7);
    REQUIRE(ring.front() != nullptr);
    ring.pop();
  }
}

TEST_CASE("A request is given when its reply has left") {
  Pending pending;
  pending.done(asked(1, 10, 20), {});
  pending.done(asked(2, 30, 40, EIO), {});
  CHECK(pending.size() == 2);
  const auto second = sent(pending, 2, 50);
  REQUIRE(second.size() == 1);
  CHECK(second[0].result == EIO);
  CHECK(second[0].sent == 50);
  CHECK(second[0].start == 30);
  CHECK(second[0].done == 40);
  const auto first = sent(pending, 1, 60, false);
  REQUIRE(first.size() == 1);
  CHECK(first[0].sent == 0);
  CHECK(first[0].marks == mark_told_nothing);
  CHECK(pending.size() == 0);
  CHECK(sent(pending, 1, 70).empty());
}

TEST_CASE("When a reply has left is known for as long as half as many others come") {
  Replies replies;
  CHECK_FALSE(replies.find(1));
  replies.put(1, 50);
  for (std::uint64_t id = 2; id <= Replies::newest; ++id) replies.put(id, id);
  CHECK(replies.find(1) == std::optional<std::uint64_t>(50));
  CHECK_FALSE(replies.find(1 + Replies::slots));
  replies.put(1 + Replies::slots, 60);
  CHECK_FALSE(replies.find(1));
}

TEST_CASE("Of requests that are pending, those whose replies have left are given, with what came after") {
  Pending pending;
  Replies replies;
  Asked lent = asked(1, 10, 11);
  lent.lent_cold = 1;
  pending.done(lent, {});
  pending.tried(asked(2, 12, 13, EAGAIN));
  pending.done(asked(3, 14, 15), {});
  pending.done(asked(4, 16, 17), {});
  replies.put(1, 50);
  replies.put(2, 51);
  replies.put(4, 0);
  pending.look_at(replies);
  CHECK(pending.repeats(asked(1, 20, 30)));
  CHECK_FALSE(pending.repeats(asked(3, 20, 30)));
  pending.done(asked(1, 20, 30, EIO), {});  // was put in before the reply left
  std::vector<RecordEntry> left;
  pending.take_left([&](const Pending::One& one) { left.push_back(one.record); });
  REQUIRE(left.size() == 2);
  CHECK(left[0].id == 1);
  CHECK(left[0].result == EIO);
  CHECK(left[0].tries == 2);
  CHECK(left[0].sent == 50);
  CHECK(left[1].id == 4);
  CHECK(left[1].marks == mark_told_nothing);
  CHECK(pending.size() == 2);
  pending.done(asked(2, 20, 90), {}, 100);  // the repetition of a try, whose reply has left by now
  left.clear();
  pending.take_left([&](const Pending::One& one) { left.push_back(one.record); });
  REQUIRE(left.size() == 1);
  CHECK(left[0].start == 12);
  CHECK(left[0].sent == 100);
}

TEST_CASE("A try without waiting and its repetition are one request, which began with the try") {
  Pending pending;
  pending.tried(asked(1, 10, 11, EAGAIN));
  pending.tried(asked(1, 12, 13, EAGAIN));
  pending.done(asked(1, 20, 90), {});
  const auto records = sent(pending, 1, 100);
  REQUIRE(records.size() == 1);
  CHECK(records[0].start == 10);
  CHECK(records[0].entry.more == 10);  // the depth as it came
  CHECK(records[0].done == 90);
  CHECK(records[0].tries == 3);
  // A read whose bytes were lent and could not be read comes again, too.
  Asked lent = asked(2, 10, 11);
  lent.lent_cold = 1;
  pending.done(lent, {});
  pending.done(asked(2, 20, 90, EIO), {});
  const auto again = sent(pending, 2, 100);
  REQUIRE(again.size() == 1);
  CHECK(again[0].tries == 2);
  CHECK(again[0].result == EIO);
}

TEST_CASE("Several requests that a filter makes of one are several records, in order") {
  Pending pending;
  Asked one = asked(1, 10, 11);
  pending.done(one, {});
  pending.done(asked(1, 20, 21), {});  // the same range again: not lent, so not repeated
  one.offset = 8192;
  one.start = 30;
  pending.done(one, {});
  const auto records = sent(pending, 1, 100);
  REQUIRE(records.size() == 3);
  CHECK(records[0].start == 10);
  CHECK(records[1].start == 20);
  CHECK(records[2].start == 30);
}

TEST_CASE("Thousands of requests under way are kept apart") {
  Pending pending;
  for (std::uint64_t id = 1; id <= 5000; ++id) pending.done(asked(id, id, id + 1), {});
  for (std::uint64_t id = 5000; id != 0; --id) {
    const auto records = sent(pending, id, 9000);
    if (records.size() != 1 || records[0].start != id) FAIL("request " << id);
  }
  CHECK(pending.size() == 0);
  pending.tried(asked(1, 1, 1, EAGAIN));
  pending.done(asked(2, 1, 10), {});
  pending.done(asked(3, 1, 20), {});
  std::vector<std::uint64_t> given;
  pending.give_up(15, [&](const Pending::One& o) { given.push_back(o.record.id); });
  CHECK(given == std::vector<std::uint64_t>{2});
  pending.give_up(UINT64_MAX, [&](const Pending::One& o) { given.push_back(o.record.id); });
  CHECK(given == std::vector<std::uint64_t>{2, 3});
}

TEST_CASE("A record that could not be given away stays, to be counted with those behind it") {
  Pending pending;
  for (std::uint64_t n = 0; n != 5; ++n) pending.done(asked(7, n, 10 + n), {});
  std::size_t written = 0, counted = 0;
  const auto write = [&](const Pending::One&) {
    if (written == 2) throw std::bad_alloc();
    ++written;
  };
  CHECK_THROWS_AS(pending.give_up(UINT64_MAX, write), std::bad_alloc);
  CHECK(pending.size() == 3);
  pending.give_up(UINT64_MAX, [&](const Pending::One&) { ++counted; });
  CHECK(counted == 3);
  CHECK(pending.size() == 0);
}
