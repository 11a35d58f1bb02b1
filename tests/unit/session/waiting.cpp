// What waits meanwhile: clients that are idle or stop midway, and replies to large writes.
#include "session/transmission.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include "served.hpp"

namespace ashlar::host {
namespace {
using namespace protocol;
}

TEST_CASE("a client that stops midway in a request is parked, and served when the rest comes") {
  FakeDisk disk(4 << 20);
  disk.open();
  Served s(disk);
  const std::uint32_t size = GENERATE(100u, 100'000u, 3u << 20);
  const Bytes payload = pattern(size, 7);
  const Bytes write = Served::write_request(1, 0, payload);
  const std::size_t sent =
      GENERATE_REF(std::size_t{1}, std::size_t{27}, std::size_t{28}, std::size_t{100}, write.size() - 1);
  s.wire.send(std::span(write).first(sent));
  while (s.idled == 0) std::this_thread::yield();
  s.wire.send(std::span(write).subspan(sent));
  CHECK(s.chunk().error == 0);
  CHECK(disk.contents(0, size) == payload);
}

TEST_CASE("an idle client is parked, and served again when it speaks; not while something is under way") {
  FakeDisk disk;
  std::promise<void> inside, release;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.op == ASHLAR_OP_FLUSH) inside.set_value(), release.get_future().wait();
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  while (s.idled == 0) std::this_thread::yield();
  s.wire.send(Served::request(cmd_read, 1, 0, 100'000));
  CHECK(Served::data(s.chunk()) == disk.contents(0, 100'000));
  s.wire.send(Served::request(cmd_flush, 2, 0, 0));
  inside.get_future().wait();
  const int before = s.idled;
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  CHECK(s.idled == before);
  release.set_value();
  CHECK(s.chunk().cookie == 2);
  while (s.idled == before) std::this_thread::yield();
}

TEST_CASE("a client that writes without a pause lets its large buffer go when another waits for memory") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  disk.open();
  Served s(disk, false);
  std::atomic<bool> enough{false};
  std::atomic<std::uint64_t> answered{0};
  std::uint64_t sent = 0;
  std::thread client([&] {
    Bytes two = Served::write_request(0, 0, Bytes(300 * 1024));
    append(two, Bytes(two));
    s.wire.send(std::span(two).first(100'000));
    std::rotate(two.begin(), two.begin() + 100'000, two.end());  // what is sent at once ends within a request
    for (; !enough; sent += 2) s.wire.send(two);
    s.wire.send(std::span(two).first(two.size() - 100'000));
    sent += 2;
  });
  std::thread reader([&] {
    while (s.wire.receive(simple_reply_size).size() == simple_reply_size) ++answered;
  });
  while (answered < 100) std::this_thread::yield();
  std::future<std::shared_ptr<Buffer>> other =
      std::async(std::launch::async, [&] { return take(s.pool, Served::memory); });
  CHECK(other.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  enough = true;
  other.get().reset();
  client.join();
  ::shutdown(s.wire.client(), SHUT_WR);
  reader.join();
  CHECK(answered == sent);
}

TEST_CASE("the reply to a large write does not wait for a next one that stops midway") {
  FakeDisk disk(4 << 20);
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  disk.open();
  Served s(disk);
  const Bytes first = Served::write_request(1, 0, pattern(600'000, 1)),
              second = Served::write_request(2, 1 << 20, pattern(700'000, 2));
  Bytes begun = first;
  append(begun, std::span(second).first(100'000));
  s.wire.limit_client_waiting(20'000);
  s.wire.send(begun);
  CHECK(s.chunk().cookie == 1);
  s.wire.send(std::span(second).subspan(100'000));
  CHECK(s.chunk().cookie == 2);
  CHECK(disk.contents(0, 600'000) == pattern(600'000, 1));
  CHECK(disk.contents(1 << 20, 700'000) == pattern(700'000, 2));
}

// What lies in the socket is not to be known there.
TEST_CASE("the reply to a large write waits for the next one's, which is arriving", "[unframed]") {
  static_cast<void>(GENERATE(range(0, 10)));  // now and then all has been received with the first, and proves nothing
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  WirePair* wire = nullptr;
  std::promise<void> all_sent;
  bool answered = true;  // when the second was served
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    std::byte one;
    if (io.offset == 0) all_sent.get_future().get();
    else answered = ::recv(wire->client(), &one, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  wire = &s.wire;
  Bytes all = Served::write_request(1, 0, Bytes(66'000));
  append(all, Served::write_request(2, 512 << 10, Bytes(140'000)));  // more than is received with the first
  constexpr std::size_t begun = 60'000;
  s.wire.send(std::span(all).first(begun));
  for (int unread = 1; unread != 0;)
    if (::ioctl(s.wire.client(), SIOCOUTQ, &unread) != 0) FAIL("SIOCOUTQ");
  s.wire.send(std::span(all).subspan(begun));  // so some of the second comes with the end of the first
  all_sent.set_value();
  for (int i = 0; i < 2; ++i) CHECK(s.chunk().error == 0);
  CHECK_FALSE(answered);
}

TEST_CASE("the reply to a large write goes out before a worker has the next one") {
  FakeDisk disk(8 << 20);
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  WirePair* wire = nullptr;
  std::promise<bool> answered;  // when the worker began
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    if (io.offset == 1 << 20) {
      if ((io.flags & ASHLAR_NOWAIT) != 0) return EAGAIN;
      std::byte one;
      answered.set_value(::recv(wire->client(), &one, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
    }
    return disk.serve(io);
  };
  disk.open();
  Served s(disk);
  wire = &s.wire;
  s.wire.limit_client_waiting(20'000);
  Bytes all = Served::write_request(1, 0, Bytes(300'000));
  append(all, Served::write_request(2, 1 << 20, Bytes(300'000)));
  append(all, Served::write_request(3, 2 << 20, Bytes(6 << 20)));  // there is always more to receive
  std::thread client([&] { s.wire.send(all); });
  CHECK(answered.get_future().get());
  for (int i = 0; i < 3; ++i) CHECK(s.chunk().error == 0);
  client.join();
}

// A framed socket cannot send from a file.

}  // namespace ashlar::host
