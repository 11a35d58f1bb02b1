// What the tests of the filter cow share: a cow over a disk that must not be written.
#pragma once
#include <memory>

#include "../plugins/scratch.hpp"
#include "bench.hpp"
#include "catch.hpp"

namespace ashlar::testing {

using ::testing::Scratch;

inline constexpr std::uint64_t block = 4096;  // unless the test gives another block_size

// A base that says what it is asked, and must not be asked to write.
struct Over {
  explicit Over(const Given& more = {}, std::uint64_t size = 300001) : disk(size) {
    disk.fill();
    before = disk.bytes();
    given = {{"block_size", std::to_string(block)}, {"store", scratch.path("")}};
    for (const auto& one : more)
      if (one.first == "path") given[1] = one;
      else if (one.first == "block_size") given[0] = one;
      else given.push_back(one);
    start();
  }
  void start() {
    layer.reset();
    layer = std::make_unique<TestLayer>(own_module(), host, given);
  }
  bool base_is_untouched() {
    for (const Call& call : disk.calls())
      if (Ops::changing().has(call.op)) return false;
    return disk.bytes() == before && disk.breaches().empty();
  }

  Scratch scratch;
  FakeHost host;
  ModelDisk disk;
  Bytes before;
  Given given;
  std::unique_ptr<TestLayer> layer;
};

inline Given per_export(Given more = {}) {
  more.push_back({"scope", "export"});
  return more;
}
inline Given kept(const Scratch& scratch, Given more = {}) {
  more.push_back({"path", scratch.path("overlay.cow")});
  return per_export(more);
}
inline std::vector<ListedExtent> extents(const TestDevice& device, std::uint64_t offset, std::uint64_t length) {
  ExtentList list;
  CHECK(device.extents(offset, length, list).ok());
  return list.extents();
}

}  // namespace ashlar::testing
