// The block plugin on $DEVICE, which takes writes and then loses them (on_lost_writes.sh).
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cstdlib>
#include <optional>
#include <thread>

#include "catch.hpp"
#include "modules/plugins/loaded.hpp"

using namespace testing;
namespace Flag = ashlar::Flag;
using ashlar::Op;

namespace {

constexpr std::uint64_t K = 1024, M = K * K;
const std::string module_file = std::string(MODULE_FOLDER) + "/block.so";

std::string device() {
  const char* value = std::getenv("DEVICE");
  if (value == nullptr) throw std::runtime_error("DEVICE is not set");
  return value;
}

// Uses up the space behind the device. Returns what is said of data that came too late: twice by fdatasync(2), and then
// twice to another descriptor, of a range in which nothing is.
std::array<int, 4> use_up() {
  const int fd = ::open(device().c_str(), O_RDWR | O_CLOEXEC);
  const int other = ::open(device().c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE((fd >= 0 && other >= 0));
  const std::string bytes(8 * M, 'x');
  REQUIRE(::pwrite(fd, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  const auto sync = [fd] { return ::fdatasync(fd) == 0 ? 0 : errno; };
  const auto ask = [other] {
    return ::sync_file_range(other, INT64_MAX - 4096, 1, SYNC_FILE_RANGE_WAIT_BEFORE) == 0 ? 0 : errno;
  };
  const std::array<int, 4> said{sync(), sync(), ask(), ask()};
  ::close(fd);
  ::close(other);
  return said;
}

// What is there from here on is lost.
constexpr std::uint64_t lost_from = 16 * M;

}  // namespace

TEST_CASE("the kernel tells each descriptor of lost writes once") {
  REQUIRE(use_up() == std::array<int, 4>{EIO, 0, EIO, 0});
}

TEST_CASE("each flush and each FUA that covers lost writes fails, whichever of them was told") {
  use_up();
  constexpr int clients = 8, rounds = 100;
  std::atomic<int> succeeded{0}, plain_failed{0};
  for (int round = 0; round < rounds; ++round) {
    Plugin plugin(module_file, {{"path", device()}, {"exclusive", "false"}});
    std::barrier<> together{clients};
    std::vector<std::thread> threads;
    for (int i = 0; i < clients; ++i)
      threads.emplace_back([&, i] {
        auto disk = plugin.open();
        const std::uint64_t own = lost_from + static_cast<std::uint64_t>(i) * M;
        together.arrive_and_wait();
        if (i % 2 == 0) {
          if (disk.fill(own, 64 * K, i, Flag::fua) == 0) ++succeeded;
        } else {
          if (disk.fill(own, 64 * K, i) != 0) ++plain_failed;
          if (disk.run(Io(Op::flush, 0, 0)) == 0) ++succeeded;
        }
        together.arrive_and_wait();  // none closes what another has yet to flush
      });
    for (std::thread& thread : threads) thread.join();
    REQUIRE(plugin.log.lines[ASHLAR_LOG_ERROR].size() == 1);
  }
  REQUIRE(plain_failed == 0);
  REQUIRE(succeeded == 0);
}

TEST_CASE("after lost writes nobody's flush succeeds until the device is opened anew") {
  use_up();
  Plugin plugin(module_file, {{"path", device()}, {"exclusive", "false"}});
  {
    auto one = plugin.open();
    auto other = plugin.open();
    REQUIRE(one.fill(lost_from, 64 * K, 1) == 0);
    REQUIRE(other.run(Io(Op::flush, 0, 0)) == EIO);
    REQUIRE(one.run(Io(Op::flush, 0, 0)) == EIO);
    REQUIRE(one.fill(0, 64 * K, 1, Flag::fua) == EIO);
    REQUIRE(plugin.open().run(Io(Op::flush, 0, 0)) == EIO);
  }
  auto anew = plugin.open();
  REQUIRE(anew.fill(0, 64 * K, 1, Flag::fua) == 0);  // there is room for these
  REQUIRE(anew.run(Io(Op::flush, 0, 0)) == 0);
}
