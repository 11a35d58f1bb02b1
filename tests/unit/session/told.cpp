// What layers are told of requests and of their replies.
#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "cold_disk.hpp"
#include "matchers.hpp"
#include "served.hpp"

namespace ashlar::host {
namespace {
using namespace protocol;

// A device that asks to be told of replies.
class Told {
 public:
  explicit Told(FakeModule& plugin) {
    current = this;
    plugin.spoil = [](ashlar_device& device) {
      device.extension = [](void*, const char* id) noexcept -> const void* {
        return std::string_view(id) == ASHLAR_REPLIED_ID ? &current->table_ : nullptr;
      };
    };
  }
  // Their statuses, in the order in which the requests came.
  std::vector<std::int32_t> replies() {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::int32_t> statuses;
    for (const auto& [id, status] : replies_) statuses.push_back(status);
    return statuses;
  }
  std::atomic<bool> twice{false};  // a reply was told of more than once

 private:
  static void replied(void* self, std::uint64_t id, std::int32_t status) noexcept {
    auto& me = *static_cast<Told*>(self);
    const std::lock_guard<std::mutex> lock(me.mutex_);
    if (!me.replies_.emplace(id, status).second) me.twice = true;
  }

  static inline Told* current = nullptr;
  const ashlar_replied table_{sizeof(ashlar_replied), 0, this, &Told::replied};
  std::mutex mutex_;
  std::map<std::uint64_t, std::int32_t> replies_;
};

std::uint64_t now() { return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()); }

}  // namespace

TEST_CASE("a request has an id of its own, the same when it is tried and when it is repeated, and the time it came") {
  FakeDisk disk;
  disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  std::mutex mutex;
  std::map<std::uint64_t, int> calls;  // of each id
  std::set<std::uint64_t> arrived;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      ++calls[io.id];
      arrived.insert(io.arrived);
    }
    return (io.flags & ASHLAR_NOWAIT) != 0 ? EAGAIN : disk.serve(io);
  };
  disk.open();
  const std::uint64_t before = now();
  for (int connection = 0; connection < 2; ++connection) {
    Served s(disk, false);
    for (std::uint64_t i = 0; i < 5; ++i) s.wire.send(Served::request(cmd_flush, i, 0, 0));
    for (int i = 0; i < 5; ++i) CHECK(s.chunk().error == 0);
  }
  CHECK(calls.size() == 10);
  CHECK(calls.count(0) == 0);
  for (const auto& [id, times] : calls) CHECK(times == 2);
  CHECK(*arrived.begin() >= before);
  CHECK(*arrived.rbegin() <= now());
}

TEST_CASE("layers are told of each reply once it has left, with what the client was told") {
  FakeDisk disk;
  Told told(disk.plugin);
  const bool nowait = GENERATE(true, false);
  if (nowait) disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    return io.op == ASHLAR_OP_TRIM ? ENOSPC : disk.serve(io);
  };
  disk.open();
  {
    Served s(disk, false);
    s.wire.send(Served::request(cmd_flush, 1, 0, 0));
    CHECK(s.chunk().error == 0);
    s.wire.send(Served::request(cmd_trim, 2, 0, 512));
    CHECK(s.chunk().error == error_enospc);
    s.wire.send(Served::request(cmd_read, 3, 0, 512));
    CHECK(s.chunk().error == 0);
    CHECK(s.wire.receive(512).size() == 512);
  }
  CHECK(told.replies() == std::vector<std::int32_t>{0, ENOSPC, 0});
  CHECK_FALSE(told.twice);
}

TEST_CASE("of a reply that did not reach the client the layers are told, too") {
  FakeDisk disk;
  Told told(disk.plugin);
  const bool nowait = GENERATE(true, false);
  if (nowait) disk.plugin.geometry.flags = ASHLAR_NOWAIT;
  std::promise<void> inside, gone;
  disk.plugin.process = [&](ashlar_io& io, const ashlar_open&) {
    inside.set_value();
    gone.get_future().get();
    return disk.serve(io);
  };
  disk.open();
  Served s(disk, false);
  s.wire.send(Served::request(cmd_flush, 1, 0, 0));
  inside.get_future().get();
  s.wire.hang_up();
  gone.set_value();
  s.reason();
  CHECK(told.replies() == std::vector<std::int32_t>{ECONNABORTED});
  CHECK_FALSE(told.twice);
}

TEST_CASE("bytes that were lent have left, too, when the layers are told", "[io_uring]") {
  ColdDisk cold(100'000);
  Told told(cold.disk.plugin);
  cold.lent_cold = GENERATE(true, false);
  cold.disk.open();
  {
    Served s(cold.disk, false);
    for (std::uint64_t i = 1; i <= 3; ++i) {
      s.wire.send(Served::request(cmd_read, i, 0, 70'000));
      CHECK(s.chunk().error == 0);
      CHECK(s.wire.receive(70'000).size() == 70'000);
    }
    s.wire.send(Served::request(cmd_disc, 0, 0, 0));
    s.reason();
  }
  CHECK(told.replies() == std::vector<std::int32_t>{0, 0, 0});
  CHECK_FALSE(told.twice);
  if (!has_io_uring()) SKIP_CASE("there is no io_uring here");
}

TEST_CASE("a client has as many requests under way as its export gains from, if it says so") {
  FakeDisk disk;
  const std::uint32_t depth = GENERATE(0, 2);  // the server has four workers
  disk.plugin.geometry.depth = depth;
  std::mutex mutex;
  unsigned inside = 0, most = 0;
  std::atomic<unsigned> calls{0};
  constexpr unsigned count = 12;
  const unsigned expected = depth != 0 ? depth : 4;
  disk.plugin.process = [&](ashlar_io&, const ashlar_open&) {
    ++calls;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      most = std::max(most, ++inside);
    }
    for (;;) {  // until as many are here as can be, or those before were the last
      {
        const std::lock_guard<std::mutex> lock(mutex);
        if (most >= expected) break;
      }
      std::this_thread::yield();
    }
    const std::lock_guard<std::mutex> lock(mutex);
    --inside;
    return 0;
  };
  disk.open();
  Served s(disk, false);
  for (std::uint64_t i = 0; i < count; ++i) s.wire.send(Served::request(cmd_flush, i, 0, 0));
  for (unsigned i = 0; i < count; ++i) CHECK(s.chunk().error == 0);
  CHECK(most == expected);
}

}  // namespace ashlar::host
