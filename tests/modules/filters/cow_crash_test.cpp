// What a server that is killed leaves of a kept overlay: what was flushed is there; what was not is old or new.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "../plugins/scratch.hpp"
#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

namespace {

constexpr std::uint64_t sector = 512, sectors = 2048, size = sector * sectors;

// Shared with the process that is killed. Each sector holds one number, which only grows.
struct Shared {
  std::atomic<std::uint64_t> begun[sectors];    // the last that was begun to be written
  std::atomic<std::uint64_t> flushed[sectors];  // the last that a flush has covered
  std::atomic<std::uint64_t> flushes;
};

Bytes contents(std::uint64_t value) {
  Bytes bytes(sector);
  for (std::uint64_t i = 0; i != sector; i += 8) std::memcpy(bytes.data() + i, &value, 8);
  return bytes;
}

// Writes, zeroes and flushes until it is killed. A zero counts as number 0 again: `begun` says which may be seen.
[[noreturn]] void live(const TestDevice& device, Shared& shared, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> done(sectors);
  for (std::uint64_t s = 0; s != sectors; ++s) done[s] = shared.begun[s];
  for (std::uint64_t n = 1;; ++n) {
    const std::uint64_t first = random() % sectors, count = std::min(1 + random() % 24, sectors - first);
    Bytes all;
    for (std::uint64_t s = first; s != first + count; ++s) {
      shared.begun[s] = done[s] + 1;
      const Bytes one = contents(done[s] + 1);
      all.insert(all.end(), one.begin(), one.end());
    }
    const bool fua = random() % 16 == 0;
    if (device.write(first * sector, all, fua ? Flag::fua : Flag::none).failed()) ::_exit(2);
    for (std::uint64_t s = first; s != first + count; ++s) {
      ++done[s];
      if (fua) shared.flushed[s] = done[s];
    }
    if (random() % 8 != 0) continue;
    if (device.flush().failed()) ::_exit(3);
    for (std::uint64_t s = 0; s != sectors; ++s) shared.flushed[s] = done[s];
    ++shared.flushes;
  }
}

Shared& shared_memory() {
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  return *new (memory) Shared();
}

}  // namespace

TEST_CASE("cow: killed at any moment, what was flushed is there, and the rest is old or new") {
  const char* given_kills = std::getenv("ASHLAR_COW_KILLS");
  const int kills = given_kills != nullptr ? std::atoi(given_kills) : 15;
  Scratch scratch;
  FakeHost host(Level::error);
  ModelDisk base(size);
  const Given given{{"scope", "export"}, {"block_size", "4096"}, {"path", scratch.path("overlay.cow")}};
  Shared& shared = shared_memory();
  std::mt19937_64 random(11);
  for (int kill = 0; kill != kills; ++kill) {
    const std::uint64_t before = shared.flushes;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const TestLayer layer(own_module(), host, given);
      live(*layer.open_over(base), shared, static_cast<std::uint64_t>(kill));
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const std::uint64_t wanted = before + random() % 5;
    while (shared.flushes < wanted && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));  // somewhere within
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));

    const TestLayer layer(own_module(), host, given);
    const auto device = layer.open_over(base);
    const Bytes found = read_all(*device, 0, size);
    std::uint64_t wrong = 0;
    for (std::uint64_t s = 0; s != sectors; ++s) {
      std::uint64_t value = 0;
      std::memcpy(&value, found.data() + s * sector, 8);
      const bool whole = part(found, s * sector, sector) == contents(value);
      wrong += !(whole && value >= shared.flushed[s] && value <= shared.begun[s]);
      shared.begun[s] = value;  // what is there now is what the next one goes on from
      shared.flushed[s] = value;
    }
    CHECK(wrong == 0);
    REQUIRE(device->flush().ok());
  }
  ::munmap(&shared, sizeof shared);
}
