// What the tests of the filters zstd and xz share: a disk, and a filter over its packed bytes.
#pragma once
#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "../random_model.hpp"
#include "bench.hpp"
#include "catch.hpp"

namespace ashlar::testing {

// Bytes that can be packed, and differ from place to place.
inline Bytes some_disk(std::size_t n) {
  Bytes bytes(n);
  std::mt19937_64 random(1);
  for (std::size_t i = 0; i != n; ++i)
    bytes[i] = static_cast<std::byte>(i % 64 < 8 ? random() % 256 : (i / 1000 + i % 64) % 256);
  return bytes;
}

struct OverPacked {
  explicit OverPacked(const Bytes& packed, const Given& given = {})
      : disk(packed.size()), layer(own_module(), host, given) {
    disk.bytes() = packed;
    disk.set_state(0, packed.size(), Extent::allocated);
    disk.geometry().read_only = true;
  }
  std::unique_ptr<TestDevice> open() { return layer.open_over(disk); }

  FakeHost host;
  ModelDisk disk;
  TestLayer layer;
};

// The text with which `packed` is refused; "": it is not.
inline std::string refusal(const Bytes& packed, const Given& given = {}) {
  try {
    OverPacked over(packed, given);
    over.open();
  } catch (const Refused& r) {
    return r.what();
  }
  return "";
}

// Random reads by several connections at once, 200 or a fifteenth of $ASHLAR_MODEL_OPERATIONS, give what was packed.
inline bool reads_right(OverPacked& over, const Bytes& wanted) {
  const std::size_t reads = RandomModel::operations() / 60;
  std::atomic<bool> right{true};
  std::vector<std::unique_ptr<TestDevice>> devices;
  for (int t = 0; t != 4; ++t) devices.push_back(over.open());
  std::vector<std::thread> threads;
  for (unsigned t = 0; t != 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937_64 random(t);
      for (std::size_t i = 0; i != reads; ++i) {
        const std::uint64_t offset = random() % wanted.size();
        const std::uint64_t n = 1 + random() % std::min<std::uint64_t>(wanted.size() - offset, 200'000);
        if (read_all(*devices[t], offset, n) != part(wanted, offset, n)) right = false;
      }
    });
  for (std::thread& thread : threads) thread.join();
  return right;
}

// Of a file that was damaged: what can be read is right, and what cannot be is told. Returns how many bytes those are.
inline std::uint64_t unreadable(const TestDevice& device, const Bytes& wanted, bool& right) {
  std::uint64_t lost = 0;
  for (std::uint64_t at = 0; at != wanted.size();) {
    const std::uint64_t n = std::min<std::uint64_t>(wanted.size() - at, 10'000);
    Bytes into(n);
    const Status s = device.read(at, into);
    if (s.failed()) lost += n;
    right = right && (s == Status::io_error() || (s.ok() && into == part(wanted, at, n)));
    at += n;
  }
  return lost;
}

// Checks that of the file `packed` of `disk`, damaged in one byte a hundred times, nothing wrong is served, and that
// damage is told, when it is opened or when that place is read.
inline void check_damage(const Bytes& packed, const Bytes& disk) {
  std::mt19937_64 random(7);
  bool right = true;
  std::uint64_t refused = 0, lost = 0;
  for (int i = 0; i != 100; ++i) {
    Bytes damaged = packed;
    damaged[random() % damaged.size()] ^= static_cast<std::byte>(1 + random() % 255);
    try {
      OverPacked over(damaged);
      const auto device = over.open();
      if (device->geometry().size == disk.size()) lost += unreadable(*device, disk, right) != 0;
    } catch (const Refused&) {
      ++refused;
    }
  }
  CHECK(right);
  CHECK(lost + refused > 90);
  CHECK(lost > 20);
}

}  // namespace ashlar::testing
