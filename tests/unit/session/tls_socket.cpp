// What is particular to a socket of TLS; what it has in common with others is tested with the session over it.
#include <fcntl.h>
#include <algorithm>
#include <atomic>
#include <catch.hpp>
#include <thread>

#include "raw_client.hpp"
#include "unit/temp_folder.hpp"
#include "wire_pair.hpp"

using namespace ashlar::host;
using Wait = Socket::Wait;

namespace {

struct Connected {
  Connected() : socket(wire.make_socket()) {}
  // Everything that `count` bytes sent by `send` become at the client.
  template <class Send>
  Bytes through(std::size_t count, Send send) {
    Bytes got;
    std::thread client([&] { got = wire.receive(count); });
    send();
    client.join();
    return got;
  }
  // As the outlet does: what was not taken comes again.
  bool send_all(std::span<const std::byte> bytes, Wait wait, bool more = false) {
    while (!bytes.empty()) {
      const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
      const ssize_t n = socket->send({&part, 1}, wait, more);
      if (n == -EAGAIN) continue;
      if (n <= 0) return false;
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return true;
  }

  WirePair wire;
  std::unique_ptr<Socket> socket;
};

}  // namespace

TEST_CASE("tls socket: what a slow client does not take at once comes whole and once") {
  Connected c;
  c.wire.limit_send_buffer(4096);
  const Bytes bytes = pattern(3'000'001, 1);
  for (const Wait wait : {Wait::yes, Wait::no})
    CHECK(c.through(bytes.size(), [&] { c.send_all(bytes, wait); }) == bytes);
}

TEST_CASE("tls socket: a send that does not wait tells of no byte that could be lost") {
  Connected c;
  c.wire.limit_send_buffer(4096);
  const Bytes bytes = pattern(1 << 20, 2);
  std::size_t sent = 0;
  // Nobody receives: at some time it takes no more, and then not one byte.
  for (int i = 0; i < 1000; ++i) {
    const iovec rest{const_cast<std::byte*>(bytes.data()) + sent, bytes.size() - sent};
    const ssize_t n = c.socket->send({&rest, 1}, Wait::no, false);
    if (n == -EAGAIN) break;
    REQUIRE(n > 0);
    sent += static_cast<std::size_t>(n);
  }
  CHECK(sent < bytes.size());
  const Bytes rest = c.through(bytes.size(), [&] { c.send_all(std::span(bytes).subspan(sent), Wait::yes); });
  CHECK(rest == bytes);
}

TEST_CASE("tls socket: what has more behind it comes with that, whatever its length") {
  Connected c;
  const Bytes bytes = pattern(1'000'000, 9);
  const Bytes got = c.through(bytes.size(), [&] {
    std::size_t at = 0;
    for (const std::size_t n : {1, 32, 65'535, 65'536, 65'537, 200'000, 5}) {
      CHECK(c.send_all(std::span(bytes).subspan(at, n), Wait::yes, true));
      at += n;
    }
    CHECK(c.send_all(std::span(bytes).subspan(at), Wait::yes));
  });
  CHECK(got == bytes);
}

TEST_CASE("tls socket: many short parts, with long ones between") {
  Connected c;
  const Bytes bytes = pattern(400'000, 3);
  std::vector<iovec> parts;
  const std::size_t lengths[] = {1, 32, 16'000, 3, 70'000, 16'384, 5, 100'000, 4112, 4112, 4112};
  std::size_t at = 0;
  for (std::size_t i = 0; at < bytes.size(); ++i) {
    const std::size_t n = std::min(lengths[i % std::size(lengths)], bytes.size() - at);
    parts.push_back({const_cast<std::byte*>(bytes.data()) + at, n});
    at += n;
  }
  const Bytes got = c.through(bytes.size(), [&] {
    std::span<iovec> left(parts);
    while (!left.empty()) {
      const ssize_t n = c.socket->send(left, Wait::yes, false);
      if (n == -EAGAIN) continue;
      REQUIRE(n > 0);
      auto taken = static_cast<std::size_t>(n);
      while (!left.empty() && taken >= left.front().iov_len) {
        taken -= left.front().iov_len;
        left = left.subspan(1);
      }
      if (taken == 0) continue;
      left.front().iov_base = static_cast<std::byte*>(left.front().iov_base) + taken;
      left.front().iov_len -= taken;
    }
  });
  CHECK(got == bytes);
}

TEST_CASE("tls socket: a file is sent from any byte on, and ends where it ends") {
  const TempFolder folder;
  const Bytes bytes = pattern(2'500'000, 4);
  const auto file = folder.write("file", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  Connected c;
  c.wire.limit_send_buffer(4096);
  const std::size_t from = 12'345;
  ssize_t end = 1;
  const Bytes got = c.through(bytes.size() - from, [&] {
    std::size_t at = from;
    for (;;) {
      end = c.socket->send_file(fd, at, bytes.size()).bytes;
      if (end == -EAGAIN) continue;
      if (end <= 0) break;
      at += static_cast<std::size_t>(end);
    }
  });
  CHECK(end == 0);
  CHECK(got == Bytes(bytes.begin() + from, bytes.end()));
  ::close(fd);
  const Socket::FileSent of_no_file = c.socket->send_file(fd, 0, 10);
  CHECK((of_no_file.bytes == -EBADF && !of_no_file.is_of_connection));
}

TEST_CASE("tls socket: when the client's bytes were no TLS, a file that cannot be sent is not what has failed") {
  const TempFolder folder;
  const int fd = ::open(folder.write("file", std::string(100, 'a')).c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  Connected c;
  REQUIRE(send_raw(c.wire.client(), pattern(100, 1)));
  Bytes some(10);
  REQUIRE(c.socket->receive(some, Wait::yes) == -EPROTO);
  const Socket::FileSent sent = c.socket->send_file(fd, 0, 100);
  CHECK((sent.bytes == -EPIPE && sent.is_of_connection));
  ::close(fd);
}

TEST_CASE("tls socket: what lies inside is told of, and waits for no descriptor") {
  Connected c;
  CHECK_FALSE(c.socket->has_input());
  CHECK_FALSE(c.socket->holds_input());
  c.wire.send(pattern(1000, 5));
  REQUIRE(c.socket->wait_for_input());
  Bytes some(10);
  CHECK(c.socket->receive(some, Wait::no) == 10);
  CHECK(c.socket->holds_input());
  CHECK(c.socket->has_input());
  c.socket->rest();  // takes nothing away
  Bytes rest(2000);
  CHECK(c.socket->receive(rest, Wait::no) == 990);
  CHECK_FALSE(c.socket->holds_input());
  CHECK(c.socket->receive(rest, Wait::no) == -EAGAIN);
  c.socket->rest();
  c.wire.send(pattern(10, 6));
  CHECK(c.socket->receive(rest, Wait::yes) == 10);
}

TEST_CASE("tls socket: one thread sends while another receives") {
  Connected c;
  const Bytes there = pattern(8 << 20, 7), back = pattern(8 << 20, 8);
  Bytes received(there.size()), got;
  std::thread client_sends([&] { c.wire.send(there); });
  std::thread client_receives([&] { got = c.wire.receive(back.size()); });
  std::thread sender([&] { c.send_all(back, Wait::yes); });
  std::size_t have = 0;
  while (have < received.size()) {
    const ssize_t n = c.socket->receive(std::span(received).subspan(have), Wait::yes);
    if (n == -EAGAIN) continue;
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  for (std::thread* thread : {&client_sends, &client_receives, &sender}) thread->join();
  CHECK(have == there.size());
  CHECK(received == there);
  CHECK(got == back);
}

TEST_CASE("tls socket: the end of the stream is the end") {
  Connected c;
  c.wire.hang_up();
  Bytes some(10);
  CHECK(c.socket->receive(some, Wait::yes) == 0);
  CHECK(c.socket->has_input());
  CHECK(c.socket->receive(some, Wait::no) == 0);
}

// Whether a client that sends nothing but new keys, as fast as it can, is ended before all of them were taken. The
// abort meets the thread that decrypts at any point.
void check_end_within_new_keys() {
  Connected c;
  constexpr std::size_t piece = 64 << 10, at_work = 4 * piece, before_abort = 8 * piece;
  const Bytes keys = c.wire.new_keys(50'000);
  REQUIRE(keys.size() > 2 * before_abort);
  ::fcntl(c.wire.client(), F_SETFL, ::fcntl(c.wire.client(), F_GETFL) & ~O_NONBLOCK);
  const int buffered = 128 << 10;  // so that there is always more, and not all of it
  ::setsockopt(c.wire.client(), SOL_SOCKET, SO_SNDBUF, &buffered, sizeof buffered);
  std::atomic<std::size_t> sent{0};
  std::atomic<bool> is_aborted{false};
  std::thread client([&] {
    while (sent < keys.size()) {
      if (sent >= before_abort) is_aborted.wait(false);
      const auto next = std::span(keys).subspan(sent);
      if (!send_raw(c.wire.client(), next.first(std::min(next.size(), piece)))) return;
      sent += piece;
      sent.notify_one();
    }
  });
  ssize_t result = 0;
  std::thread server([&] {
    Bytes some(10);
    do result = c.socket->receive(some, Wait::yes);
    while (result == -EAGAIN);
  });
  for (std::size_t now = 0; (now = sent) < at_work;) sent.wait(now);
  c.socket->abort();
  is_aborted = true;
  is_aborted.notify_one();
  client.join();
  server.join();
  CHECK(result <= 0);
  CHECK(sent < keys.size());
}

TEST_CASE("tls socket: who sends nothing but new keys is ended at once, not when all of them were taken") {
  for (int i = 0; i < 2; ++i) check_end_within_new_keys();
}
