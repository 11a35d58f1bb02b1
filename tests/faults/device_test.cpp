// The block and file plugins on the loop device $DEVICE over $BACKING with sectors of $SECTOR bytes. $REFUSED: what the
// kernel is made to refuse (refuse.c).
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "catch.hpp"
#include "modules/plugins/loaded.hpp"
#include "modules/plugins/scratch.hpp"

using namespace testing;
namespace Flag = ashlar::Flag;
using ashlar::Op;

namespace {

constexpr std::uint64_t K = 1024, M = K * K, size = 64 * M;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

const std::string device = environment("DEVICE"), backing = environment("BACKING"), refused = environment("REFUSED");
const std::uint64_t sector = std::stoull(environment("SECTOR"));
const bool no_fallocate = refused.find("fallocate") != std::string::npos;
const bool no_blkzeroout = refused.find("blkzeroout") != std::string::npos;
const bool can_zero = !no_fallocate || !no_blkzeroout;

std::uint64_t size_of_device() {
  std::uint64_t bytes = 0;
  const int fd = ::open(device.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  const int result = ::ioctl(fd, BLKGETSIZE64, &bytes);
  ::close(fd);
  REQUIRE(result == 0);
  return bytes;
}

std::string module_file(const char* name) { return std::string(MODULE_FOLDER) + "/" + name + ".so"; }

std::string refusal(const char* module, std::map<std::string, std::string> parameters) {
  Plugin plugin(module_file(module), std::move(parameters));
  try {
    plugin.open();
  } catch (const Failed& e) {
    return e.what();
  }
  return "";
}

std::string another_device(const std::string& path) {
  return "'" + path + "' leads to another block device now; clients that are connected keep the one before";
}

// A further loop device, of 1 MiB.
struct Loop {
  Loop(const char* name, char byte, const std::string& option) {
    const std::string file = scratch.filled(name, M, byte);
    FILE* const out = ::popen(("losetup --find --show " + option + " " + file).c_str(), "r");
    char line[64] = {};
    REQUIRE(out != nullptr);
    const bool told = std::fgets(line, sizeof line, out) != nullptr;
    REQUIRE((::pclose(out) == 0 && told));
    device.assign(line, std::strcspn(line, "\n"));
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { CHECK(std::system(("losetup --detach " + device).c_str()) == 0); }

  // Needs --read-only.
  void change_medium(const char* name, char byte) const {
    const int file = ::open(scratch.filled(name, M, byte).c_str(), O_RDONLY | O_CLOEXEC);
    const int fd = ::open(device.c_str(), O_RDONLY | O_CLOEXEC);
    const int result = ::ioctl(fd, LOOP_CHANGE_FD, file);
    ::close(fd);
    ::close(file);
    REQUIRE(result == 0);
  }

  Scratch scratch;
  std::string device;
};

std::string last_line(Plugin& plugin) { return plugin.log.lines[ASHLAR_LOG_DEBUG].back(); }

}  // namespace

TEST_CASE("the geometry is the device's") {
  for (const char* direct : {"false", "true"}) {
    Plugin plugin(module_file("block"), {{"path", device}, {"direct", direct}});
    auto disk = plugin.open();
    REQUIRE(disk.geometry.size == size);
    REQUIRE(disk.geometry.minimum == (*direct == 't' ? sector : 1));
    REQUIRE(disk.geometry.preferred >= 4096);
    REQUIRE(disk.geometry.multi_conn);
    REQUIRE(disk.geometry.zero_may_fail);
    REQUIRE(disk.extents(0, size) == "D67108864");
  }
}

TEST_CASE("whether the device rotates is told by the kernel") {
  const std::string file = "/sys/class/block/" + device.substr(device.rfind('/') + 1) + "/queue/rotational";
  const auto told = [&file] {
    std::string value;
    std::ifstream(file) >> value;
    return value;
  };
  const std::string before = told();
  for (const char* value : {"1", "0"}) {
    std::ofstream(file) << value << std::flush;  // where /sys cannot be written to, it is as it is
    CHECK(Plugin(module_file("block"), {{"path", device}}).open().geometry.rotational == (told() == "1"));
  }
  std::ofstream(file) << before << std::flush;
}

TEST_CASE("block opens the device exclusively unless told otherwise") {
  Plugin first(module_file("block"), {{"path", device}});
  auto disk = first.open();
  REQUIRE(refusal("block", {{"path", device}}) ==
          "cannot open '" + device +
              "': Device or resource busy; is it mounted? exclusive = false opens it "
              "all the same");
  REQUIRE(refusal("block", {{"path", device}, {"exclusive", "false"}}).empty());
  auto another_connection = first.open();
  REQUIRE(another_connection.geometry.size == size);
}

TEST_CASE("file opens a device exclusively when told to") {
  Plugin first(module_file("file"), {{"path", device}, {"exclusive", "true"}});
  auto disk = first.open();
  REQUIRE(refusal("block", {{"path", device}}).find("Device or resource busy") != std::string::npos);
  REQUIRE(refusal("file", {{"path", device}}).empty());
}

TEST_CASE("block leaves zeroes to be written when told to, and trims nothing") {
  Plugin plugin(module_file("block"), {{"path", device}, {"zeroing", "manual"}});
  auto disk = plugin.open();
  REQUIRE_FALSE(disk.geometry.flags.has(Flag::fast));
  REQUIRE(disk.fill(0, M, 'x') == 0);
  REQUIRE(disk.run(Io(Op::zero, 0, M, Flag::may_trim)) == ENOTSUP);
  REQUIRE(disk.run(Io(Op::trim, 0, M)) == 0);
  REQUIRE(disk.holds(0, M, 'x'));
}

TEST_CASE("a device that became shorter: what is gone is an error, and is not told of") {
  Plugin plugin(module_file("block"), {{"path", device}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(size - 8 * M, 8 * M, 'x') == 0);
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);  // what is written back later would make the file as long as before
  const auto resize = [](std::uint64_t bytes) {
    std::filesystem::resize_file(backing, bytes);
    REQUIRE(std::system(("losetup --set-capacity " + device).c_str()) == 0);
    REQUIRE(size_of_device() == bytes);
  };
  resize(size - 4 * M);
  std::vector<std::byte> bytes(M);
  std::vector<int> read;
  for (const Flags flags : {Flag::none, Flag::may_lend | Flag::may_hole})
    for (const std::uint64_t offset : {size - 4 * M - M / 2, size - 4 * M, size - M}) {
      ExtentText found;
      Io io = Io::read(offset, bytes, flags);
      io.set_sink(&found.sink);
      read.push_back(disk.run(io));
    }
  ExtentText found;
  Io io(Op::extents, size - 8 * M, 8 * M);
  io.set_sink(&found.sink);
  const int told = disk.run(io);
  Io behind(Op::extents, size - 4 * M, M);
  behind.set_sink(&found.sink);
  const int told_behind = disk.run(behind);
  resize(size);
  CHECK(read == std::vector<int>(6, EIO));
  CHECK(told == 0);
  CHECK(found.total == 4 * M);
  CHECK(told_behind == EIO);
}

TEST_CASE("clients that come and go at once are not in each other's way on an exclusive device") {
  Plugin plugin(module_file("block"), {{"path", device}});
  std::atomic<int> refused_opens{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) try {
          plugin.open().fill(0, 4 * K, 1);  // so that closing takes its time
        } catch (const Failed&) {
          ++refused_opens;
        }
    });
  for (std::thread& thread : threads) thread.join();
  REQUIRE(refused_opens == 0);
}

TEST_CASE("a device that was resized has its new size for those who come from then on") {
  Plugin plugin(module_file("block"), {{"path", device}, {"direct", GENERATE("false", "true")}});
  auto old = plugin.open();
  const auto resize = [](std::uint64_t bytes) {
    std::filesystem::resize_file(backing, bytes);
    REQUIRE(std::system(("losetup --set-capacity " + device).c_str()) == 0);
  };
  resize(size + 16 * M);
  {
    auto larger = plugin.open();
    REQUIRE(larger.geometry.size == size + 16 * M);
    REQUIRE(larger.fill(size - 4 * K, 16 * M + 4 * K, 5) == 0);
    REQUIRE(larger.holds(size, 16 * M, 5));
    REQUIRE(larger.run(Io(Op::flush, 0, 0)) == 0);
    REQUIRE(old.geometry.size == size);
    REQUIRE(old.holds(size - 4 * K, 4 * K, 5));
    REQUIRE(old.run(Io(Op::flush, 0, 0)) == 0);
  }
  resize(size);
  REQUIRE(plugin.open().geometry.size == size);
  REQUIRE(old.fill(size - 4 * K, 4 * K, 6) == 0);
  REQUIRE(plugin.open().holds(size - 4 * K, 4 * K, 6));
}

TEST_CASE("a device of whose last block only a part is there is served with direct I/O, too") {
  if (sector == 512) return;  // the kernel counts in these
  std::filesystem::resize_file(backing, size + 512);
  REQUIRE(std::system(("losetup --set-capacity " + device).c_str()) == 0);
  {
    Plugin plugin(module_file("block"), {{"path", device}, {"direct", "true"}});
    auto disk = plugin.open();
    CHECK(disk.geometry.size == size + 512);
    CHECK(disk.fill(size - 4 * K, 4 * K, 7) == 0);
    CHECK(disk.holds(size - 4 * K, 4 * K, 7));
  }
  std::filesystem::resize_file(backing, size);
  REQUIRE(std::system(("losetup --set-capacity " + device).c_str()) == 0);
}

TEST_CASE("a device whose medium was changed is opened anew for those who come from then on") {
  const Loop loop("a", 'a', "--read-only");
  Plugin plugin(module_file("file"), {{"path", loop.device}, {"read_only", "true"}});
  auto old = plugin.open();
  auto same = plugin.open();
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO].empty());
  loop.change_medium("b", 'b');
  auto now = plugin.open();
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO] == std::vector<std::string>{another_device(loop.device)});
  REQUIRE(now.holds(0, 4 * K, 'b'));
}

TEST_CASE("a name that leads to another device leads there for those who come from then on") {
  const Loop loop("a", 'a', "");
  const Scratch scratch;
  const std::string link = scratch.path("link");
  const auto lead_to = [&](const std::string& target) {
    std::filesystem::create_symlink(target, scratch.path("next"));
    std::filesystem::rename(scratch.path("next"), link);
  };
  lead_to(device);
  Plugin plugin(module_file("block"), {{"path", link}});
  auto old = plugin.open();
  lead_to(loop.device);
  auto now = plugin.open();
  REQUIRE(old.geometry.size == size);
  REQUIRE(now.geometry.size == M);
  REQUIRE(now.holds(0, 4 * K, 'a'));
  REQUIRE(old.fill(0, 4 * K, 'o') == 0);
  REQUIRE(now.holds(0, 4 * K, 'a'));
  lead_to(device);
  auto back = plugin.open();  // exclusive: it is the one that is open
  REQUIRE(back.holds(0, 4 * K, 'o'));
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO] == std::vector<std::string>{another_device(link)});
}

TEST_CASE("block refuses what is no block device") {
  REQUIRE(refusal("block", {{"path", backing}}) ==
          "cannot open '" + backing + "': it is a regular file, not a block device; the file plugin serves it");
}

TEST_CASE("an aligned zero takes the best way there is") {
  Plugin plugin(module_file("block"), {{"path", device}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(0, 4 * M, 'x') == 0);
  const bool may_trim = GENERATE(false, true);
  const int status = disk.run(Io(Op::zero, M, M, may_trim ? Flag::may_trim : Flag::none));
  REQUIRE(status == (can_zero ? 0 : ENOTSUP));
  const char* way = no_blkzeroout && no_fallocate ? "blkzeroout EOPNOTSUPP"
                    : no_fallocate                ? "blkzeroout ok"
                    : may_trim                    ? "punch_hole ok"
                                                  : "zero_range ok";
  REQUIRE(last_line(plugin) == std::string("zero 1M@1M: ") + way);
  REQUIRE(disk.holds(0, M, 'x'));
  REQUIRE(disk.holds(M, M, can_zero ? 0 : 'x'));
  REQUIRE(disk.holds(2 * M, 2 * M, 'x'));
}

TEST_CASE("an unaligned zero is aligned in its middle and written at its ends") {
  Plugin plugin(module_file("file"), {{"path", device}});
  auto disk = plugin.open();
  const auto [offset, length] = GENERATE(table<std::uint64_t, std::uint64_t>(
      {{1, 100'000}, {511, 4097}, {4095, 2}, {4000, 4096}, {8191, 1}, {size - 5001, 5001}, {4096, 5000}}));
  const std::uint64_t from = offset < 20'000 ? 0 : size - 20'000;
  const std::uint64_t span = std::min<std::uint64_t>(size - from, 200'000);
  REQUIRE(disk.fill(from, span, 'x') == 0);
  const int status = disk.run(Io(Op::zero, offset, length));
  INFO(length << "@" << offset);
  const bool has_middle = (offset + sector - 1) / sector < (offset + length) / sector;
  REQUIRE(status == (can_zero || !has_middle ? 0 : ENOTSUP));
  REQUIRE(disk.holds(from, offset - from, 'x'));
  REQUIRE(disk.holds(offset, length, status == 0 ? 0 : 'x'));
  REQUIRE(disk.holds(offset + length, from + span - offset - length, 'x'));
  REQUIRE(disk.run(Io(Op::zero, 1, 100'000, Flag::fast | Flag::may_trim)) == ENOTSUP);
}

TEST_CASE("FAST on a device is PUNCH_HOLE or nothing") {
  Plugin plugin(module_file("block"), {{"path", device}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(0, 2 * M, 'x') == 0);
  REQUIRE(disk.run(Io(Op::zero, 0, M, Flag::fast)) == ENOTSUP);
  REQUIRE(disk.holds(0, 2 * M, 'x'));
  REQUIRE(disk.run(Io(Op::zero, 0, M, Flag::fast | Flag::may_trim)) == (no_fallocate ? ENOTSUP : 0));
  REQUIRE(disk.holds(0, M, no_fallocate ? 'x' : 0));
  REQUIRE(disk.holds(M, M, 'x'));
}

TEST_CASE("provisioned zeroes stay provisioned below the device; others and trims are deallocated") {
  Plugin plugin(module_file("block"), {{"path", device}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(0, 32 * M, 'x') == 0);
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
  constexpr std::uint64_t slack = 64 * K;  // the backing file system's own blocks, for the extents that come to be
  const std::uint64_t full = allocated_bytes(backing);
  REQUIRE(full >= 32 * M);
  const int status = disk.run(Io(Op::zero, 0, 16 * M, Flag::fua));
  REQUIRE(status == (can_zero ? 0 : ENOTSUP));
  REQUIRE(allocated_bytes(backing) >= 32 * M);
  if (!no_fallocate) {
    REQUIRE(disk.run(Io(Op::zero, 0, 8 * M, Flag::may_trim | Flag::fua)) == 0);
    REQUIRE(allocated_bytes(backing) <= full - 8 * M + slack);
  }
  const std::uint64_t before = allocated_bytes(backing);
  REQUIRE(disk.run(Io(Op::trim, 16 * M, 8 * M, Flag::fua)) == 0);
  REQUIRE(last_line(plugin) == std::string("trim 8M@16M: ") + (no_fallocate ? "blkdiscard ok" : "punch_hole ok"));
  REQUIRE(allocated_bytes(backing) <= before - 8 * M + slack);
  REQUIRE(disk.holds(24 * M, 8 * M, 'x'));
}

TEST_CASE("direct I/O takes any memory") {
  Plugin plugin(module_file("block"), {{"path", device}, {"direct", "true"}});
  auto disk = plugin.open();
  std::vector<std::byte> bytes(3 * M + 1, std::byte{9});
  const std::span<std::byte> unaligned(bytes.data() + 1, 3 * M);
  REQUIRE(disk.run(Io::write(sector, unaligned, Flag::fua)) == 0);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  REQUIRE(disk.run(Io::read(sector, unaligned)) == 0);
  REQUIRE(std::all_of(unaligned.begin(), unaligned.end(), [](std::byte b) { return b == std::byte{9}; }));
}

TEST_CASE("a device that is set read-only is refused, and served when read_only is set") {
  REQUIRE(std::system(("blockdev --setro " + device).c_str()) == 0);
  const std::string text = refusal("block", {{"path", device}});
  const std::string allowed = refusal("block", {{"path", device}, {"read_only", "true"}});
  REQUIRE(std::system(("blockdev --setrw " + device).c_str()) == 0);
  REQUIRE(text == "cannot open '" + device + "': Read-only file system");
  REQUIRE(allowed.empty());
}
