#include "fiber/stack_pool.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch.hpp>
#include <cerrno>
#include <cstring>
#include <vector>

namespace ashlar::host {
namespace {

// Bytes of [begin, begin + size) that are in memory.
std::size_t resident(const std::byte* begin, std::size_t size) {
  std::vector<unsigned char> pages(size / 4096);
  REQUIRE(::mincore(const_cast<std::byte*>(begin), size, pages.data()) == 0);
  std::size_t bytes = 0;
  for (const unsigned char page : pages) bytes += (page & 1u) != 0 ? 4096 : 0;
  return bytes;
}

// Whether the kernel may write a byte there.
bool can_write(int zeroes, std::byte* at) { return ::read(zeroes, at, 1) == 1; }

}  // namespace

TEST_CASE("there are as many stacks as may be, and those given back are taken again") {
  StackPool pool(2);
  const Stack one = pool.try_take(), two = pool.try_take();
  REQUIRE(one.is_there());
  REQUIRE(two.is_there());
  CHECK_FALSE(pool.try_take().is_there());
  CHECK(pool.in_use() == 2);
  pool.give_back(one);
  CHECK(pool.in_use() == 1);
  CHECK(pool.try_take().end() == one.end());
  pool.give_back(one);
  pool.give_back(two);
}

TEST_CASE("a stack is guarded, and takes memory only where it was used") {
  StackPool pool(1);
  const Stack stack = pool.try_take();
  const int zeroes = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  CHECK(can_write(zeroes, stack.end() - 1));
  CHECK(can_write(zeroes, stack.begin()));
  CHECK_FALSE(can_write(zeroes, stack.begin() - 1));
  CHECK_FALSE(can_write(zeroes, stack.begin() - Stack::guard));
  CHECK(resident(stack.begin(), Stack::size) == 2 * 4096);
  std::memset(stack.begin(), 1, Stack::size);
  CHECK(resident(stack.begin(), Stack::size) == Stack::size);
  pool.give_back(stack);
  CHECK(resident(stack.begin(), Stack::size) == Stack::usually_used);
  ::close(zeroes);
}

TEST_CASE("the system's limit leaves room for what else a server maps") {
  CHECK(StackPool::most_of_system() >= 1000);
  StackPool pool;
  std::vector<Stack> all;
  for (int i = 0; i != 300; ++i) all.push_back(pool.try_take());
  for (const Stack& stack : all) CHECK(stack.is_there());
  for (const Stack& stack : all) pool.give_back(stack);
  CHECK(pool.in_use() == 0);
}

}  // namespace ashlar::host
