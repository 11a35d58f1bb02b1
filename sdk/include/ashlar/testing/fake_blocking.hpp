// FakeBlocking: the service ashlar.blocking/1 for tests of a module: it blocks, and counts.
#pragma once
#include <ashlar/abi.h>
#include <ashlar/rules/transfer.hpp>

#include <atomic>
#include <cstdint>
#include <thread>

namespace ashlar::testing {

// Safe for all threads. Keeps its address.
class FakeBlocking {
 public:
  FakeBlocking() = default;
  FakeBlocking(const FakeBlocking&) = delete;
  FakeBlocking& operator=(const FakeBlocking&) = delete;

  const ashlar_blocking* services() const { return &services_; }

  // How often each was called.
  int reads() const { return reads_; }
  int writes() const { return writes_; }
  int runs() const { return runs_; }

 private:
  static std::int64_t read(void* self, std::int32_t fd, void* into, std::uint64_t length, std::uint64_t offset,
                           std::uint32_t flags) noexcept {
    ++static_cast<FakeBlocking*>(self)->reads_;
    return rules::read_blocking(fd, into, length, offset, static_cast<int>(flags));
  }
  static std::int64_t write(void* self, std::int32_t fd, const void* from, std::uint64_t length, std::uint64_t offset,
                            std::uint32_t flags) noexcept {
    ++static_cast<FakeBlocking*>(self)->writes_;
    return rules::write_blocking(fd, from, length, offset, static_cast<int>(flags));
  }
  // On another thread, so that what leans on its own is found out.
  static void run(void* self, void (*work)(void*) noexcept, void* argument) noexcept {
    ++static_cast<FakeBlocking*>(self)->runs_;
    std::thread([=] { work(argument); }).join();
  }

  std::atomic<int> reads_{0}, writes_{0}, runs_{0};
  const ashlar_blocking services_{sizeof(ashlar_blocking), 0, this, &read, &write, &run};
};

}  // namespace ashlar::testing
