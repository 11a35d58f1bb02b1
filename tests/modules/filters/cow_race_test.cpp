// Requests that change where blocks are, beside others that go by where they were: nothing that was written is lost.
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "../plugins/scratch.hpp"
#include "bench.hpp"
#include "catch.hpp"
#include "dirty.hpp"
#include "map.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

constexpr std::uint64_t block_bytes = 4096;

}  // namespace

TEST_CASE("cow: the end of a run belongs to its place, also while its first block changes") {
  Map map(64);
  map.set(20, Where::overlay);
  std::atomic<bool> done{false};
  std::thread other([&] {
    for (int i = 0; i != 10000000; ++i) {
      map.set(10, Where::overlay);
      map.set(10, Where::base);
    }
    done = true;
  });
  std::uint64_t wrong = 0;
  while (!done) {
    const Map::Run run = map.run(10, 64);
    wrong += run.end != (run.where == Where::overlay ? 11U : 20U);
  }
  other.join();
  CHECK(wrong == 0);
}

// Who sees the new state of a block may flush before the one who has changed it has gone on.
TEST_CASE("cow: a page of the map is to be written from before to behind each change") {
  Dirty dirty(2);
  CHECK_FALSE(dirty.any());
  {
    const Dirty::Change one(dirty, 1);
    CHECK(dirty.has(1));
    CHECK_FALSE(dirty.has(0));
    dirty.take(1);
    CHECK(dirty.has(1));
    { const Dirty::Change other(dirty, 1); }
    dirty.take(1);
    CHECK(dirty.has(1));
  }
  CHECK(dirty.has(1));  // what was taken may be from before the change
  dirty.take(1);
  CHECK_FALSE(dirty.any());
  dirty.mark(0);
  CHECK((dirty.any() && dirty.has(0)));
}

// One write begins in the middle of a block that the other one copies into the overlay, and goes on over blocks that
// stay in the base until it has written them.
TEST_CASE("cow: a write over blocks of the base stays, also if another one copies the first of them meanwhile") {
  constexpr std::uint64_t groups = 256, group = 5 * block_bytes, size = groups * group;
  Scratch scratch;
  FakeHost host;
  ModelDisk disk(size);
  const TestLayer layer(own_module(), host, {{"scope", "export"}, {"block_size", "4096"}, {"store", scratch.path("")}});
  const auto device = layer.open_over(disk);
  const Bytes head = bytes_of(block_bytes / 2, 1), rest = bytes_of(group - block_bytes / 2, 2);
  std::atomic<std::uint64_t> copied{size}, written{size};  // the groups whose first block is copied, and that are done
  disk.on_call([&](const Call& call) { copied = call.offset; });
  for (unsigned pass = 0; pass != 100; ++pass) {
    std::thread other([&] {
      for (std::uint64_t at = 0; at != size; at += group) {
        if (device->write(at, head).failed()) std::abort();
        while (written != at) std::this_thread::yield();
      }
    });
    std::minstd_rand random(pass + 1);
    for (std::uint64_t at = 0; at != size; at += group) {
      const auto turns = random() % 500;  // the other one is to change the map in any moment of this one
      while (copied != at) std::this_thread::yield();
      for (std::atomic<unsigned> turn{0}; turn < turns;) ++turn;
      if (device->write(at + block_bytes / 2, rest).failed()) std::abort();
      written = at;
    }
    other.join();
    std::uint64_t wrong = 0;
    disk.on_call({});
    const Bytes found = read_all(*device, 0, size);
    for (std::uint64_t at = 0; at != size; at += group)
      wrong += part(found, at, block_bytes / 2) != head || part(found, at + block_bytes / 2, rest.size()) != rest;
    CHECK(wrong == 0);
    disk.forget_calls();
    host.control().call("discard");
    disk.on_call([&](const Call& call) { copied = call.offset; });
  }
}
