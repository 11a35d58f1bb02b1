// What the tests of the filter cache share: a disk that says what it is asked, and fails when it is told to.
#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <thread>

#include "../plugins/scratch.hpp"
#include "bench.hpp"

namespace ashlar::testing {

// A disk whose writes fail now and then.
class Flaky {
 public:
  explicit Flaky(ModelDisk& disk) : disk_(disk) {}
  const ashlar_device* device() const { return &device_; }
  const ashlar_geometry* below() { return disk_.below(); }
  // Of each so many writes one; 0: none.
  void fail_one_of(unsigned writes) { one_of_ = writes; }
  // Called when the bytes of a read have been taken, before it returns.
  void on_read(std::function<void()> f) { on_read_ = std::move(f); }

 private:
  static std::int32_t process(void* self, ashlar_io* io) noexcept {
    auto& flaky = *static_cast<Flaky*>(self);
    const unsigned one_of = flaky.one_of_;
    if (io->op == ASHLAR_OP_WRITE && one_of != 0 && ++flaky.writes_ % one_of == 0) return EIO;
    const ashlar_device& disk = *flaky.disk_.device();
    const std::int32_t status = disk.process(disk.self, io);
    if (io->op == ASHLAR_OP_READ && flaky.on_read_) flaky.on_read_();
    return status;
  }
  ModelDisk& disk_;
  std::function<void()> on_read_;
  std::atomic<unsigned> one_of_{0}, writes_{0};
  const ashlar_device device_{sizeof(ashlar_device), 0, this, nullptr, &process, [](void*) noexcept {}, nullptr};
};

struct CacheOver {
  explicit CacheOver(const Given& more = {}, std::uint64_t size = 1'000'001) : disk(size) {
    disk.fill();
    before = disk.bytes();
    given = {{"block_size", "4096"}, {"size", "262144"}, {"readahead", "off"}};
    for (const auto& one : more) {
      std::erase_if(given, [&](const auto& other) { return other.first == one.first; });
      given.push_back(one);
    }
    start();
  }
  void start() {
    layer.reset();
    layer = std::make_unique<TestLayer>(own_module(), host, given);
  }
  std::unique_ptr<TestDevice> open() { return layer->open_over(disk); }
  std::string verb(const std::string& name) { return host.control().call(name); }

  FakeHost host;
  ModelDisk disk;
  Flaky flaky{disk};
  Bytes before;
  Given given;
  std::unique_ptr<TestLayer> layer;
};

inline Given back(Given more = {}) {
  more.push_back({"write", "back"});
  return more;
}
}  // namespace ashlar::testing
