#include "session/buffer_pool.hpp"

#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "matchers.hpp"
#include "parts.hpp"

namespace ashlar::host {
namespace {

std::size_t resident() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, pages = 0;
  statm >> total >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("a buffer takes memory for what is stored in it, not for what was claimed") {
  const std::size_t before = resident();
  Buffer claimed(UINT32_MAX);
  CHECK(claimed.capacity() >= UINT32_MAX);
  CHECK(resident() < before + 64 * mib);
  std::memset(claimed.data(), 1, 1);
  std::memset(claimed.data() + UINT32_MAX - 1, 1, 1);
  CHECK(resident() < before + 64 * mib);
}

TEST_CASE("buffers begin on a page and hold at least what was asked for") {
  BufferPool pool(with_room(4 * mib));
  for (const std::size_t capacity :
       {std::size_t{0}, std::size_t{1}, BufferPool::small_capacity, BufferPool::small_capacity + 1,
        BufferPool::usual_capacity, BufferPool::usual_capacity + 1, 3 * mib}) {
    const auto buffer = take(pool, capacity);
    CHECK(buffer->capacity() >= capacity);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer->data()) % 4096 == 0);
    std::memset(buffer->data(), 0xff, capacity);
  }
}

TEST_CASE("a pin keeps the contents; the last one to let go makes the buffer free for reuse") {
  BufferPool pool(with_room(mib));
  auto buffer = take(pool, BufferPool::usual_capacity);
  CHECK_FALSE(buffer->pinned());
  Pin one(buffer);
  Pin two(buffer);
  one.release();
  CHECK(buffer->pinned());
  Pin three(std::move(two));
  CHECK(buffer->pinned());
  two = std::move(three);
  CHECK(buffer->pinned());
  two = Pin();
  CHECK_FALSE(buffer->pinned());

  // A pin alone keeps the buffer from going back to the pool.
  Pin last(buffer);
  std::byte* const data = buffer->data();
  buffer.reset();
  CHECK(take(pool, BufferPool::usual_capacity)->data() != data);
  last.release();
  CHECK(take(pool, BufferPool::usual_capacity)->data() == data);
}

TEST_CASE("a buffer may outlive its pool") {
  auto pool = std::make_unique<BufferPool>(with_room(8 * mib));
  const auto usual = take(*pool, BufferPool::usual_capacity);
  auto large = take(*pool, mib);
  pool.reset();
  std::memset(large->data(), 1, large->capacity());
  large.reset();
  CHECK(usual->capacity() == BufferPool::usual_capacity);
}

TEST_CASE("buffers of all sizes together stay within the limit") {
  BufferPool pool(with_room(4 * mib));
  for (const std::size_t capacity : {mib, BufferPool::usual_capacity, BufferPool::small_capacity}) {
    std::vector<std::shared_ptr<Buffer>> all;
    while (auto buffer = pool.try_take(capacity)) all.push_back(std::move(buffer));
    CHECK(all.size() == 4 * mib / capacity);
    all.pop_back();
    CHECK(pool.try_take(capacity) != nullptr);
  }
}

TEST_CASE("a large buffer is used again as long as another is in use, and counts as what it is") {
  BufferPool pool(with_room(4 * mib));
  const auto in_use = take(pool, mib);
  auto done = take(pool, mib);
  const std::byte* const at = done->data();
  done.reset();
  const auto again = take(pool, mib - 4096);
  CHECK(again->data() == at);
  CHECK(again->capacity() == mib);
  CHECK(pool.try_take(2 * mib + 1) == nullptr);  // 2 of 4 MiB are in use
  CHECK(pool.try_take(2 * mib) != nullptr);
}

TEST_CASE("a buffer beyond the limit is given out when no other large one is") {
  BufferPool pool(with_room(mib));
  auto small = pool.try_take(mib / 2);
  CHECK(pool.try_take(8 * mib) == nullptr);
  small.reset();
  const auto beyond = pool.try_take(8 * mib);
  CHECK(beyond != nullptr);
  CHECK(pool.try_take(mib / 2) == nullptr);
}

TEST_CASE("who takes a large buffer beyond the limit waits until enough were let go, and that can be seen") {
  BufferPool pool(with_room(2 * mib));
  auto held = take(pool, 2 * mib);
  CHECK_FALSE(pool.wanted());
  std::shared_ptr<Buffer> got;
  std::thread waits([&] { got = take(pool, mib); });
  while (!pool.wanted()) std::this_thread::yield();
  held.reset();
  waits.join();
  CHECK(got->capacity() == mib);
  CHECK_FALSE(pool.wanted());
}

TEST_CASE("many threads take, fill and let go: no buffer has two owners") {
  BufferPool pool(with_room(2 * mib));
  std::vector<std::thread> threads;
  std::atomic<int> spoiled{0};
  for (unsigned t = 1; t <= 4; ++t)
    threads.emplace_back([&, t] {
      for (unsigned i = 0; i < 300; ++i) {
        const auto buffer = take(pool, i % 3 == 0 ? mib : i % 3 == 1 ? BufferPool::usual_capacity : 100);
        std::memset(buffer->data(), static_cast<int>(t), 100);
        std::this_thread::yield();
        for (int at = 0; at < 100; ++at) spoiled += buffer->data()[at] != static_cast<std::byte>(t);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(spoiled == 0);
}

}  // namespace ashlar::host
