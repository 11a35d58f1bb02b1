#include "session/inbox.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <list>
#include <thread>

#include "matchers.hpp"
#include "parts.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t limit = 16u << 20;
constexpr std::size_t usual = BufferPool::usual_capacity;
using Wait = Socket::Wait;

constexpr std::size_t head = 4;  // messages begin with their payload's size

Bytes message(std::size_t payload, std::uint32_t seed) {
  Bytes bytes(head);
  protocol::put32(bytes.data(), static_cast<std::uint32_t>(payload));
  append(bytes, pattern(payload, seed));
  return bytes;
}

// As Inbox::receive(), but waits as long as nothing comes, which may be longer than a socket is patient.
ssize_t receive_at_last(Parts& parts) {
  ssize_t n;
  do n = parts.inbox.receive(*parts.socket, Wait::yes);
  while (n == -EAGAIN);
  return n;
}

// Takes whole messages off the inbox as they come, until the stream ends; `see` is called with each.
template <class See>
void take_messages(Parts& parts, See see) {
  Inbox& inbox = parts.inbox;
  do {
    for (;;) {
      const auto bytes = inbox.unread();
      if (bytes.size() < head) break;
      const std::size_t whole = head + protocol::get32(bytes.data());
      if (bytes.size() < whole) {
        inbox.expect(whole);
        break;
      }
      see(bytes.first(whole));
      inbox.consume(whole);
    }
  } while (receive_at_last(parts) > 0);
}

}  // namespace

TEST_CASE("messages split at every byte arrive as they were sent") {
  Bytes stream;
  for (std::uint32_t i = 0; i < 5; ++i) append(stream, message(i * 7, i));
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    BufferPool pool(with_room(limit));
    Parts parts(pool);
    WirePair& wire = parts.wire;
    Inbox& inbox = parts.inbox;
    std::thread client([&] {
      wire.send(std::span(stream).first(cut));
      std::this_thread::yield();
      wire.send(std::span(stream).subspan(cut));
      wire.hang_up();
    });
    Bytes got;
    take_messages(parts, [&](auto bytes) { append(got, bytes); });
    client.join();
    CHECK(inbox.unread().empty());
    if (got != stream) FAIL("cut at " << cut);
  }
}

TEST_CASE("messages of all sizes, far larger than the buffer too, with those that follow them") {
  Bytes stream;
  std::uint32_t seed = 0;
  for (const std::size_t size : {usual - 4, usual, usual + 1, std::size_t{0}, std::size_t{65531}, std::size_t{65532},
                                 std::size_t{65533}, 5 * usual, std::size_t{1}, usual / 2, usual - 5, std::size_t{3}})
    append(stream, message(size, ++seed));
  BufferPool pool(with_room(limit));
  Parts parts(pool);
  WirePair& wire = parts.wire;
  std::thread client([&] {
    wire.send(stream);
    wire.hang_up();
  });
  Bytes got;
  take_messages(parts, [&](auto bytes) { append(got, bytes); });
  client.join();
  CHECK(got == stream);
}

TEST_CASE("pinned messages stay as they are while more is received") {
  struct Kept {
    Pin pin;
    std::span<const std::byte> bytes;
    std::uint32_t seed;
  };
  Bytes stream;
  std::vector<std::size_t> sizes;
  for (std::uint32_t i = 0; i < 60; ++i) {
    sizes.push_back(i % 20 == 19 ? 700'000 : 20'000 + i);
    append(stream, message(sizes.back(), i));
  }
  BufferPool pool(with_room(64u << 20));
  Parts parts(pool);
  WirePair& wire = parts.wire;
  std::thread client([&] {
    wire.send(stream);
    wire.hang_up();
  });
  std::vector<Kept> kept;
  std::uint32_t seed = 0;
  take_messages(parts, [&](auto bytes) {
    kept.push_back({parts.inbox.pin(), bytes, seed++});
    // Some are let go at once, out of order: the others must not mind.
    if (seed % 7 == 3) kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(kept.size() / 2));
  });
  client.join();
  REQUIRE(seed == sizes.size());
  for (const Kept& k : kept) {
    const Bytes sent = message(sizes[k.seed], k.seed);
    CHECK(std::equal(k.bytes.begin(), k.bytes.end(), sent.begin(), sent.end()));
  }
}

TEST_CASE("expecting what cannot be had at once waits for it and loses nothing") {
  BufferPool pool(with_room(limit));
  Parts parts(pool);
  WirePair& wire = parts.wire;
  Inbox& inbox = parts.inbox;
  const Bytes whole = message(1'000'000, 1);
  wire.send(std::span(whole).first(1000));
  REQUIRE(receive_at_last(parts) == 1000);
  auto held = take(pool, limit);
  std::thread lets_go([&] {
    while (!pool.wanted()) std::this_thread::yield();
    held.reset();
  });
  inbox.expect(whole.size());
  lets_go.join();
  std::thread client([&] { wire.send(std::span(whole).subspan(1000)); });
  while (inbox.unread().size() < whole.size() && receive_at_last(parts) > 0) inbox.expect(whole.size());
  client.join();
  CHECK(std::equal(whole.begin(), whole.end(), inbox.unread().begin(), inbox.unread().end()));

  // Done with it: the large buffer can be let go for others, and what follows still arrives.
  CHECK(inbox.is_large());
  inbox.consume(whole.size());
  inbox.give_large_back();
  CHECK_FALSE(inbox.is_large());
  CHECK(pool.try_take(limit) != nullptr);
  wire.send(std::span(whole).first(10));
  CHECK(receive_at_last(parts) == 10);
  CHECK(std::equal(whole.begin(), whole.begin() + 10, inbox.unread().begin(), inbox.unread().end()));
}

TEST_CASE("an inbox gives its buffer back and keeps the few bytes that are unread; many stay where they are") {
  BufferPool pool(with_room(limit));
  Parts parts(pool);
  WirePair& wire = parts.wire;
  Inbox& inbox = parts.inbox;
  wire.send(pattern(2, 1));
  REQUIRE(receive_at_last(parts) == 2);
  inbox.give_back();
  CHECK_FALSE(inbox.has_buffer());
  CHECK(std::ranges::equal(inbox.unread(), pattern(2, 1)));
  wire.send(pattern(70'000, 2));
  Bytes both = pattern(2, 1);
  append(both, pattern(70'000, 2));
  while (inbox.unread().size() < both.size()) REQUIRE(receive_at_last(parts) > 0);
  inbox.park();
  CHECK(inbox.has_buffer());
  CHECK(std::ranges::equal(inbox.unread(), both));
  inbox.consume(both.size());
  inbox.give_back();
  CHECK(inbox.unread().empty());
  CHECK_FALSE(inbox.has_buffer());
  CHECK(inbox.receive(*parts.socket, Wait::yes) == -EAGAIN);
  CHECK(inbox.receive(*parts.socket, Wait::no) == -EAGAIN);
  wire.hang_up();
  CHECK(receive_at_last(parts) == 0);
}

TEST_CASE("a part of a message is kept without a buffer while its client is silent, if there is memory for it") {
  constexpr std::size_t part = 5000;
  BufferPool pool(BufferPool::Limits{.shares = 32 * usual, .rest = limit, .parts = 2 * part});
  std::list<Parts> clients;
  const Bytes whole = message(100'000, 1);
  for (int i = 0; i < 4; ++i) {
    Parts& parts = clients.emplace_back(pool);
    parts.wire.send(std::span(whole).first(part));
    while (parts.inbox.unread().size() < part) REQUIRE(receive_at_last(parts) > 0);
    parts.inbox.expect(whole.size());
    parts.inbox.park();
    CHECK(parts.inbox.has_buffer() == (i >= 2));
    parts.memory.give_share_back();
    CHECK(parts.memory.bytes() == (i < 2 ? part : 2 * usual));
  }
  for (Parts& parts : clients) {
    REQUIRE(parts.memory.claim_share());
    parts.inbox.expect(whole.size());
    CHECK(parts.memory.bytes() == 2 * usual);
    parts.wire.send(std::span(whole).subspan(part));
    while (parts.inbox.unread().size() < whole.size()) REQUIRE(receive_at_last(parts) > 0);
    CHECK(std::ranges::equal(parts.inbox.unread(), whole));
  }
  CHECK(pool.parts().try_claim(2 * part));
}

TEST_CASE("a part of a message that is large stays in its buffer") {
  BufferPool pool(BufferPool::Limits{.shares = 4 * usual, .rest = limit, .parts = limit});
  Parts parts(pool);
  const Bytes whole = message(200'000, 1);
  parts.wire.send(std::span(whole).first(100'000));
  while (parts.inbox.unread().size() < 100'000) REQUIRE(receive_at_last(parts) > 0);
  parts.inbox.park();
  CHECK(parts.inbox.has_buffer());
}

// A framed socket gives a frame at a time.
TEST_CASE("with the rest of a large message comes what follows it, wherever the message began", "[unframed]") {
  BufferPool pool(with_room(limit));
  Parts parts(pool);
  WirePair& wire = parts.wire;
  Inbox& inbox = parts.inbox;
  const Bytes large = message(300 * 1024, 1), next = message(20 * 1024, 2);
  constexpr std::size_t first = 150 * 1024;
  for (int round = 0; round < 4; ++round) {
    wire.send(std::span(large).first(first));
    while (inbox.unread().size() < first) REQUIRE(receive_at_last(parts) > 0);
    inbox.expect(large.size());
    wire.send(std::span(large).subspan(first));
    wire.send(next);
    REQUIRE(receive_at_last(parts) == static_cast<ssize_t>(large.size() - first + next.size()));
    REQUIRE(std::ranges::equal(inbox.unread().first(large.size()), large));
    inbox.consume(large.size());
    REQUIRE(std::ranges::equal(inbox.unread(), next));
    inbox.consume(next.size());
  }
}

}  // namespace ashlar::host
