// A socket of TLS whose thread gets no memory: its client is lost, and nothing else.
#include <fcntl.h>

#include <cerrno>

#include "matchers.hpp"
#include "no_memory.hpp"
#include "parts.hpp"
#include "session/outlet.hpp"

namespace ashlar::host {
namespace {

constexpr std::size_t enough = 8;  // more allocations than one call takes

class Reply final : public Posted {
 public:
  std::span<std::byte> bytes() override { return bytes_; }
  void sent(bool left) noexcept override { left ? ++taken : ++dropped; }
  int taken = 0, dropped = 0;

 private:
  Bytes bytes_ = pattern(16, 1);
};

// What `call` returns when the thread gets memory `times` more times.
template <class Call>
auto with_memory(std::size_t times, Call call) {
  struct Starving {
    explicit Starving(std::size_t left) { allocations_left = left; }
    ~Starving() { allocations_left = SIZE_MAX; }
  } const starving(times);
  return call();
}

}  // namespace

TEST_CASE("without memory to encrypt, a worker's reply breaks its connection, and ends nothing else") {
  BufferPool pool(with_room(1 << 20));
  Parts parts(pool);
  Workers workers(1);
  Outlet outlet(*parts.socket, workers, parts.memory, parts.waits_to_send);
  Reply reply;
  with_memory(0, [&] { return outlet.post(reply, Outlet::From::session), true; });
  CHECK(reply.dropped == 1);
  CHECK(outlet.broken());
  CHECK(parts.wire.at_end());
}

TEST_CASE("without memory to encrypt, send() and send_file() say so") {
  const Bytes bytes = pattern(100, 1);
  iovec parts[] = {{const_cast<std::byte*>(bytes.data()), 50}, {const_cast<std::byte*>(bytes.data()) + 50, 50}};
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  REQUIRE(file >= 0);
  ssize_t sent = 0, from_file = 0;
  for (std::size_t times = 0; times < enough; ++times) {
    WirePair wire;
    const std::unique_ptr<Socket> socket = wire.make_socket();
    sent = with_memory(times, [&] { return socket->send(parts, Socket::Wait::yes, false); });
    CHECK((sent == -ENOMEM || sent == 100));
    WirePair other;
    const std::unique_ptr<Socket> of_file = other.make_socket();
    const Socket::FileSent told = with_memory(times, [&] { return of_file->send_file(file, 0, 100); });
    from_file = told.bytes;
    CHECK((from_file == -ENOMEM || from_file == 100));
    CHECK(told.is_of_connection == (from_file < 0));
    if (times == 0) CHECK((sent == -ENOMEM && from_file == -ENOMEM));
  }
  CHECK((sent == 100 && from_file == 100));
  ::close(file);
}

TEST_CASE("the end of a connection needs no memory") {
  allocations_refused = 0;
  for (std::size_t times = 0; times < enough; ++times) {
    WirePair wire;
    std::unique_ptr<Socket> socket = wire.make_socket();
    bool at_end = false;
    std::thread client([&] { at_end = wire.at_end(); });
    CHECK_NOTHROW(with_memory(times, [&] { return socket->finish(), true; }));
    socket.reset();
    client.join();
    CHECK(at_end);
  }
  CHECK(allocations_refused != 0);
}

}  // namespace ashlar::host
