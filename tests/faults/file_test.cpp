// The file plugin on the file system mounted on $FOLDER, of type $FSTYPE.
#include <cstdlib>
#include <random>

#include "catch.hpp"
#include "modules/plugins/loaded.hpp"
#include "modules/plugins/scratch.hpp"

using namespace testing;
namespace Flag = ashlar::Flag;
using ashlar::Op;

namespace {

const std::string module_file = std::string(MODULE_FOLDER) + "/file.so";
constexpr std::uint64_t K = 1024, M = K * K, G = K * M;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

const std::string path = environment("FOLDER") + "/disk";
const bool overlay = environment("FSTYPE") == "overlay";  // over a tmpfs
const bool tmpfs = overlay || environment("FSTYPE") == "tmpfs";

void make(std::uint64_t size, std::size_t filled = 0) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << std::string(filled, 'x');
  std::filesystem::resize_file(path, size);
}

bool logged(Plugin& plugin, const std::string& line) {
  const auto& lines = plugin.log.lines[ASHLAR_LOG_DEBUG];
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

// The line tells how a debugger reads what went wrong.
std::string last_line(Plugin& plugin) { return plugin.log.lines[ASHLAR_LOG_DEBUG].back(); }

}  // namespace

TEST_CASE("provisioned zeroes stay provisioned, and the log says how") {
  make(16 * M, 8 * M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(disk.run(Io(Op::zero, 0, 16 * M)) == 0);  // data, and a hole
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(disk.holds(0, 16 * M, 0));
  REQUIRE(allocated_bytes(path) >= 16 * M);
  REQUIRE((logged(plugin, tmpfs ? "zero 16M@0: punch_and_allocate ok" : "zero 16M@0: zero_range ok") ||
           logged(plugin, "zero 16M@0: write_zeroes ok")));
}

TEST_CASE("zeroes that may be deallocated are, and so are trims") {
  make(16 * M, 16 * M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(disk.run(Io(Op::zero, 0, 8 * M, Flag::may_trim)) == 0);
  REQUIRE(last_line(plugin) == "zero 8M@0: punch_hole ok");
  REQUIRE(disk.run(Io(Op::trim, 8 * M, 4 * M, Flag::fua)) == 0);
  REQUIRE(last_line(plugin) == "trim 4M@8M: punch_hole ok");
  REQUIRE(disk.holds(0, 8 * M, 0));
  REQUIRE(disk.holds(12 * M, 4 * M, 'x'));
  REQUIRE(allocated_bytes(path) < 5 * M);
  REQUIRE(disk.extents(0, 16 * M) == "H12582912 D4194304");
}

TEST_CASE("FAST is quick or refused with the data untouched") {
  make(M, M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  REQUIRE(disk.run(Io(Op::zero, 0, 64 * K, Flag::fast | Flag::may_trim)) == 0);
  const int status = disk.run(Io(Op::zero, 64 * K, 64 * K, Flag::fast));
  REQUIRE(status == (tmpfs ? ENOTSUP : 0));
  REQUIRE(disk.holds(0, 64 * K, 0));
  REQUIRE(disk.holds(64 * K, 64 * K, tmpfs ? 'x' : 0));
  REQUIRE(disk.holds(128 * K, M - 128 * K, 'x'));
}

TEST_CASE("a zero of 4 GiB-1 touches its range alone") {
  make(6 * G);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  const std::uint64_t offset = G + 3, length = 4 * G - 1;
  for (const std::uint64_t at : {offset - 100, offset, offset + 64 * M, offset + length - 100, offset + length})
    REQUIRE(disk.fill(at, 100, 7) == 0);
  REQUIRE(disk.run(Io(Op::zero, offset, length, Flag::may_trim)) == 0);
  REQUIRE(disk.holds(offset - 100, 100, 7));
  for (const std::uint64_t at : {offset, offset + 64 * M, offset + length - 100}) REQUIRE(disk.holds(at, 100, 0));
  REQUIRE(disk.holds(offset + length, 100, 7));
  REQUIRE(std::filesystem::file_size(path) == 6 * G);
}

TEST_CASE("extents are exact") {
  make(16 * M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  REQUIRE(disk.extents(0, 16 * M) == "H16777216");
  REQUIRE(disk.fill(4 * M, 64 * K, 1) == 0);
  REQUIRE(disk.fill(8 * M, 128 * K, 1) == 0);
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(disk.extents(0, 16 * M) == "H4194304 D65536 H4128768 D131072 H8257536");
  REQUIRE(disk.extents(4 * M + 100, 200, Flag::req_one) == "D200");
  REQUIRE(disk.extents(4 * M - 100, 200) == "H100 D100");
}

TEST_CASE("reads leave holes out where the file system is known to tell of data at once, and read them elsewhere") {
  make(M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(128 * K, 128 * K, 1) == 0);  // and not flushed: nothing of it may be on the disk yet
  std::vector<std::byte> bytes(M, std::byte{0xee});
  ExtentText found;
  Io io = Io::read(0, bytes, Flag::may_hole);
  io.set_sink(&found.sink);
  REQUIRE(disk.run(io) == 0);
  REQUIRE(found.text == (overlay ? "" : "H131072 D131072 H786432"));
  REQUIRE(bytes[0] == (overlay ? std::byte{0} : std::byte{0xee}));
  REQUIRE(bytes[128 * K] == std::byte{1});
  REQUIRE(disk.extents(0, M) == "H131072 D131072 H786432");
}

TEST_CASE("data just written are never a hole, whatever stood there before") {
  make(64 * M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  REQUIRE(disk.run(Io(Op::zero, 32 * M, 32 * M)) == 0);  // provisioned and not written, on some
  std::mt19937 random(5);
  std::vector<std::byte> bytes(16 * K);
  for (int i = 0; i < 4000; ++i) {
    const std::uint64_t offset =
        std::uniform_int_distribution<std::uint64_t>(0, 64 * M / (4 * K) - 4)(random) * (4 * K);
    if (i % 4 == 3) REQUIRE(disk.run(Io(Op::trim, offset, 16 * K)) == 0);
    REQUIRE(disk.fill(offset, 16 * K, 1 + i % 255) == 0);
    if (i % 64 == 0) REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
    ExtentText found;
    Io io = Io::read(offset, bytes, Flag::may_hole);
    io.set_sink(&found.sink);
    REQUIRE(disk.run(io) == 0);
    REQUIRE(found.text.empty());
    REQUIRE(bytes[16 * K - 1] == static_cast<std::byte>(1 + i % 255));
    REQUIRE(disk.extents(offset, 16 * K) == "D16384");
  }
}

TEST_CASE("bytes that are gone are an error, and neither zeroes nor a hole") {
  make(4 * M, 2 * M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  const std::uint64_t end = GENERATE(3 * M + 17, M + 4 * K, M - 100);
  std::filesystem::resize_file(path, end);
  std::vector<std::byte> bytes(256 * K);
  for (const Flags flags : {Flag::none, Flag::may_hole, Flag::may_hole | Flag::may_lend})
    for (const std::uint64_t offset : {end - 256 * K + 1, end - 1, end, 4 * M - 256 * K}) {
      ExtentText found;
      Io io = Io::read(offset, bytes, flags);
      io.set_sink(&found.sink);
      REQUIRE(disk.run(io) == EIO);
    }
  REQUIRE_THROWS_AS(disk.extents(end, 4 * M - end), Failed);
  ExtentText found;
  Io io(Op::extents, 0, 4 * M);
  io.set_sink(&found.sink);
  REQUIRE(disk.run(io) == 0);
  REQUIRE(found.total == end);
}

TEST_CASE("any mixture of ops at any alignment equals a model") {
  constexpr std::size_t size = 2 * M + 123;
  for (const char* direct : {"false", "true"}) {
    make(size);
    Plugin plugin(module_file, {{"path", path}, {"direct", direct}});
    auto disk = plugin.open();
    std::vector<std::byte> model(size, std::byte{0});
    const std::uint64_t unit = disk.geometry.minimum;
    std::mt19937 random(7);
    const auto below = [&random](std::uint64_t n) {
      return std::uniform_int_distribution<std::uint64_t>(0, n - 1)(random);
    };
    for (int i = 0; i < 400; ++i) {
      const std::uint64_t offset = below(size / unit) * unit;
      const std::uint64_t most = std::min<std::uint64_t>(size - offset, below(8) == 0 ? size : 64 * K);
      std::uint64_t length = 1 + below(most);
      if (offset + length != size) length = std::min(size - offset, (length + unit - 1) / unit * unit);
      const auto part = std::span(model).subspan(offset, length);
      const Flags fua = below(10) == 0 ? Flag::fua : Flag::none;
      const auto kind = below(4);
      INFO(i << ": " << kind << " " << length << "@" << offset << " direct " << direct);
      if (kind <= 1) {
        const int byte = static_cast<int>(1 + below(255));
        REQUIRE(disk.fill(offset, length, byte, fua) == 0);
        std::fill(part.begin(), part.end(), static_cast<std::byte>(byte));
      } else if (kind == 2) {
        REQUIRE(disk.run(Io(Op::zero, offset, length, fua | (below(2) == 0 ? Flag::may_trim : Flag::none))) == 0);
        std::fill(part.begin(), part.end(), std::byte{0});
      } else {
        REQUIRE(disk.run(Io(Op::trim, offset, length, fua)) == 0);
        const auto now = disk.read(0, size);
        std::copy_n(now.begin() + static_cast<std::ptrdiff_t>(offset), length, part.begin());
      }
      if (i % 20 == 0) REQUIRE(disk.read(0, size) == model);
    }
    REQUIRE(disk.read(0, size) == model);
    REQUIRE(std::filesystem::file_size(path) == size);
  }
}

// Run by refused_calls.sh, which counts the system calls.
TEST_CASE("10 000 zeroes", "[.many]") {
  make(M, M);
  Plugin plugin(module_file, {{"path", path}});
  auto disk = plugin.open();
  for (std::uint64_t i = 0; i < 10'000; ++i) REQUIRE(disk.run(Io(Op::zero, i % 256 * 4096, 4096)) == 0);
  REQUIRE(disk.holds(0, M, 0));
}
