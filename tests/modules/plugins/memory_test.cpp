// The memory plugin's guarantees (plugins/memory/README.md), through its shared object.
#include "catch.hpp"
#include "loaded.hpp"

using namespace testing;
namespace Flag = ashlar::Flag;
using ashlar::Op;

namespace {

const std::string module_file = std::string(MODULE_FOLDER) + "/memory.so";
constexpr std::uint64_t K = 1024, M = K * K;

}  // namespace

TEST_CASE("memory: contents are shared by connections and outlive them") {
  Plugin plugin(module_file, {{"size", "1048577"}});
  {
    auto first = plugin.open();
    auto second = plugin.open();
    REQUIRE(first.geometry.size == M + 1);
    REQUIRE(first.geometry.multi_conn);
    REQUIRE(first.fill(M, 1, 7) == 0);
    REQUIRE(second.holds(M, 1, 7));
    REQUIRE(second.holds(0, M, 0));
  }
  auto later = plugin.open();
  REQUIRE(later.holds(M, 1, 7));
}

TEST_CASE("memory: two layers are two disks") {
  Plugin one(module_file, {{"size", "4096"}}), other(module_file, {{"size", "4096"}});
  auto a = one.open();
  auto b = other.open();
  REQUIRE(a.fill(0, 4096, 1) == 0);
  REQUIRE(b.holds(0, 4096, 0));
}

TEST_CASE("memory: a disk larger than the machine costs nothing until written") {
  Plugin plugin(module_file, {{"size", "1125899906842624"}});  // 1 PiB
  auto disk = plugin.open();
  REQUIRE(disk.fill((1ull << 50) - 4096, 4096, 1) == 0);
  REQUIRE(disk.holds((1ull << 50) - 4096, 4096, 1));
}

TEST_CASE("memory: holes are known, zero and trim make them") {
  Plugin plugin(module_file, {{"size", "1048576"}});
  auto disk = plugin.open();
  REQUIRE(disk.extents(0, M) == "H1048576");
  REQUIRE(disk.fill(0, M, 1) == 0);
  REQUIRE(disk.run(Io(Op::zero, 64 * K, 64 * K, Flag::may_trim)) == 0);
  REQUIRE(disk.run(Io(Op::trim, 512 * K, 64 * K)) == 0);
  REQUIRE(disk.extents(0, M) == "D65536 H65536 D393216 H65536 D458752");
  REQUIRE(disk.run(Io(Op::zero, 0, 4096)) == 0);  // provisioned
  REQUIRE(disk.holds(0, 4096, 0));
  REQUIRE(disk.holds(4096, 4096, 1));
}

TEST_CASE("memory: all but long requests run inline") {
  Plugin plugin(module_file, {{"size", "1048576"}});
  auto disk = plugin.open();
  std::vector<std::byte> bytes(4096);
  // Not asked to be so: a machine under load may take its time, and then the answer is EAGAIN.
  const auto inline_or_later = [](int status) { return status == 0 || status == EAGAIN; };
  REQUIRE(inline_or_later(disk.fill(0, 4096, 1, Flag::nowait)));
  REQUIRE(inline_or_later(disk.run(Io::read(0, bytes, Flag::nowait))));
  REQUIRE(inline_or_later(disk.run(Io(Op::zero, 0, 4096, Flag::nowait | Flag::may_trim))));
}
