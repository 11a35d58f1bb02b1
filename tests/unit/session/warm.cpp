// What a warm session does not do: allocate.
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>
#include <stdexcept>

#include "catch.hpp"
#include "cold_disk.hpp"
#include "served.hpp"

namespace {
std::atomic<long> allocations{0};
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace ashlar::host {
namespace {

using namespace protocol;

constexpr std::uint64_t depth = 32;
constexpr std::uint32_t length = 4096;

// Sends `depth` requests at once and takes the `reply_size` bytes of each reply, `rounds` times.
void talk(Served& s, const Bytes& requests, std::size_t reply_size, int rounds) {
  static std::array<std::byte, depth*(length + 64)> replies;
  for (; rounds != 0; --rounds) {
    s.wire.send(requests);
    for (std::size_t left = depth * reply_size; left != 0;) {
      const ssize_t n = ::recv(s.wire.client(), replies.data(), left, 0);
      if (n == 0 || (n < 0 && errno != EINTR)) throw std::runtime_error("no reply");
      if (n > 0) left -= static_cast<std::size_t>(n);
    }
  }
}

void check_no_allocation(FakeDisk& disk, std::uint16_t type, bool structured, std::size_t reply_size) {
  disk.open();
  Served s(disk, structured);
  s.wire.limit_waiting(SO_RCVTIMEO, 60'000);  // it would let go of everything when its client idles
  Bytes requests;
  for (std::uint64_t i = 0; i < depth; ++i) {
    append(requests, Served::request(type, i, i * length, length));
    if (type == cmd_write) append(requests, Bytes(length));
  }
  talk(s, requests, reply_size, 100);
  const long before = allocations;
  talk(s, requests, reply_size, 500);
  CHECK(allocations == before);
}

}  // namespace

TEST_CASE("a warm session allocates nothing for requests that are answered at once") {
  const bool structured = GENERATE(true, false);
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  SECTION("reads") { check_no_allocation(disk, cmd_read, structured, length + data_header_size(structured)); }
  SECTION("writes") { check_no_allocation(disk, cmd_write, structured, simple_reply_size); }
  SECTION("zeroes") { check_no_allocation(disk, cmd_write_zeroes, structured, simple_reply_size); }
  SECTION("trims") { check_no_allocation(disk, cmd_trim, structured, simple_reply_size); }
}

TEST_CASE("a warm session allocates nothing for data that are lent from the page cache") {
  const bool structured = GENERATE(true, false);
  ColdDisk cold(1 << 20);
  cold.lent_cold = false;
  const std::size_t tail = structured ? chunk_header_size : 0;
  check_no_allocation(cold.disk, cmd_read, structured, length + data_header_size(structured) + tail);
  CHECK(cold.repeated == 0);
}

TEST_CASE("a warm session allocates nothing for data that are lent from the disk", "[io_uring]") {
  if (!has_io_uring()) SKIP_CASE("there is no io_uring here");
  const bool structured = GENERATE(true, false);
  ColdDisk cold(1 << 20);
  check_no_allocation(cold.disk, cmd_read, structured, length + data_header_size(structured));
  CHECK(cold.repeated == 0);
}

}  // namespace ashlar::host
