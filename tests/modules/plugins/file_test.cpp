// The file plugin's guarantees (plugins/file/README.md), through its shared object.
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "catch.hpp"
#include "loaded.hpp"
#include "scratch.hpp"

using namespace testing;
namespace Flag = ashlar::Flag;
using ashlar::Op;

namespace {

const std::string module_file = std::string(MODULE_FOLDER) + "/file.so";
constexpr std::uint64_t K = 1024, M = K * K;

// Opens PATH and returns why that does not work.
std::string refusal(const std::string& path, std::map<std::string, std::string> more = {}, bool read_only = false) {
  more["path"] = path;
  Plugin plugin(module_file, more);
  try {
    plugin.open(read_only);
  } catch (const Failed& e) {
    return e.what();
  }
  return "";
}

// Whether reads believe what the file system tells of holes.
bool believed(const std::string& path) {
  struct statfs status = {};
  REQUIRE(::statfs(path.c_str(), &status) == 0);
  constexpr unsigned long ext4 = 0xef53, xfs = 0x58465342, btrfs = 0x9123683e, tmpfs = 0x01021994;
  const auto type = static_cast<unsigned long>(status.f_type);
  return type == ext4 || type == xfs || type == btrfs || type == tmpfs;
}

// How many descriptors this process has of what the path leads to.
std::size_t descriptors_of(const std::string& path) {
  struct stat wanted = {}, other = {};
  REQUIRE(::stat(path.c_str(), &wanted) == 0);
  std::size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    n += ::stat(entry.path().c_str(), &other) == 0 && other.st_ino == wanted.st_ino && other.st_dev == wanted.st_dev;
  return n;
}

}  // namespace

TEST_CASE("file: what was written is read back, at any alignment") {
  const Scratch scratch;
  for (const char* direct : {"false", "true"}) {
    INFO("direct = " << direct);
    Plugin plugin(module_file, {{"path", scratch.file("disk", 3 * M + 17)}, {"direct", direct}});
    auto disk = plugin.open();
    REQUIRE(disk.geometry.size == 3 * M + 17);
    const std::uint64_t unit = disk.geometry.minimum;
    REQUIRE(disk.fill(unit, 2 * M, 1) == 0);
    REQUIRE(disk.fill(3 * M, 17, 2) == 0);  // the last part of a block
    REQUIRE(disk.fill(2 * M + unit, M - unit, 3, Flag::fua) == 0);
    REQUIRE(disk.holds(0, unit, 0));
    REQUIRE(disk.holds(unit, 2 * M, 1));
    REQUIRE(disk.holds(2 * M + unit, M - unit, 3));
    REQUIRE(disk.holds(3 * M, 17, 2));
    REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
    // Across the place where direct I/O ends.
    REQUIRE(disk.fill(2 * M, M + 17, 4) == 0);
    REQUIRE(disk.holds(2 * M, M + 17, 4));
    REQUIRE(std::filesystem::file_size(scratch.path("disk")) == 3 * M + 17);
  }
}

TEST_CASE("file: what cannot be opened is refused with path and reason") {
  const Scratch scratch;
  REQUIRE(refusal("/no/such") == "cannot open '/no/such': No such file or directory");
  REQUIRE(refusal("/tmp") == "cannot open '/tmp': it is a directory; a regular file or a block device is needed");
  REQUIRE(refusal("/dev/null") ==
          "cannot open '/dev/null': it is a character device; a regular file or a block device is needed");
  const std::string pipe = scratch.path("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  REQUIRE(refusal(pipe).find("it is a pipe") != std::string::npos);
}

TEST_CASE("file: exclusive, which cannot be had of a regular file, is refused for one") {
  const Scratch scratch;
  const std::string path = scratch.file("disk", M);
  REQUIRE(refusal(path, {{"exclusive", "true"}}) ==
          "cannot open '" + path + "': exclusive = true is for a block device, and it is a regular file");
  REQUIRE(refusal(path, {{"exclusive", "false"}}).empty());
}

TEST_CASE("file: the layer's create opens nothing; open does") {
  Plugin plugin(module_file, {{"path", "/no/such"}});
  REQUIRE_THROWS_AS(plugin.open(), Failed);
}

TEST_CASE("file: an image of another format is served as it is, with one warning") {
  struct Image {
    const char* format;
    std::size_t at;
    std::string mark;
  };
  const auto bytes = [](const char* text, std::size_t length) { return std::string(text, length); };
  const auto [format, at, mark] = GENERATE_COPY(values<Image>({{"qcow", 0, bytes("QFI\xfb\0\0\0\1", 8)},
                                                               {"qcow2", 0, bytes("QFI\xfb\0\0\0\2", 8)},
                                                               {"qcow2", 0, bytes("QFI\xfb\0\0\0\3", 8)},
                                                               {"qed", 0, bytes("QED\0", 4)},
                                                               {"vmdk", 0, "KDMV"},
                                                               {"vmdk", 0, "COWD"},
                                                               {"vmdk", 0, "# Disk DescriptorFile\nversion=1\n"},
                                                               {"vhdx", 0, "vhdxfile"},
                                                               {"vpc", 0, "conectix"},
                                                               {"vpc", 64 * K - 512, "conectix"},
                                                               {"vdi", 64, "\x7f\x10\xda\xbe"},
                                                               {"parallels", 0, "WithouFreSpacExt"}}));
  INFO(format << " at " << at);
  const Scratch scratch;
  const std::string path = scratch.file("image", 64 * K);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(static_cast<std::streamoff>(at)) << mark;
  Plugin plugin(module_file, {{"path", path}});
  REQUIRE(plugin.log.lines[ASHLAR_LOG_WARN].empty());
  for (int client = 0; client < 2; ++client) REQUIRE(plugin.open().geometry.size == 64 * K);
  REQUIRE(plugin.log.lines[ASHLAR_LOG_WARN] ==
          std::vector<std::string>{"'" + path + "' is a " + format +
                                   " image, and clients get the bytes that it is made of, not the disk that is in it; "
                                   "qemu-img convert -f " +
                                   format + " -O raw makes an image of that disk"});
}

TEST_CASE("file: a disk is not taken for an image of another format") {
  const Scratch scratch;
  const std::string text = GENERATE(as<std::string>{}, "", "Q", "QFI", "conecti", "KDM", "x KDMV", "vhdx file");
  const std::string path = scratch.filled("disk", 0, ' ');
  std::ofstream(path) << text;
  Plugin plugin(module_file, {{"path", path}});
  REQUIRE(plugin.open().geometry.size == text.size());
  REQUIRE(plugin.log.lines[ASHLAR_LOG_WARN].empty());
}

TEST_CASE("file: read only opens without write access and offers no writing op") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", 4096, 'x')}, {"read_only", "true"}});
  auto disk = plugin.open();
  REQUIRE(disk.geometry.read_only);
  REQUIRE_FALSE((disk.geometry.ops & ashlar::Ops::writing()).any());
  REQUIRE(disk.fill(0, 512, 1) == EPERM);
  REQUIRE(disk.run(Io(Op::zero, 0, 512)) == EPERM);
  REQUIRE(disk.run(Io(Op::trim, 0, 4096)) == EPERM);
  REQUIRE(disk.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(disk.holds(0, 4096, 'x'));
}

TEST_CASE("file: an export that is read only needs no write access either") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", 4096, 'x')}});
  auto disk = plugin.open(true);
  REQUIRE(disk.geometry.read_only);
  REQUIRE(disk.fill(0, 512, 1) == EPERM);
}

TEST_CASE("file: bytes that are gone are an error, not zeroes") {
  const Scratch scratch;
  const bool sparse = GENERATE(false, true);
  const auto size = GENERATE(as<std::uint64_t>{}, 8192, 256 * K);
  const char* const extents = GENERATE("true", "false");
  INFO(size << (sparse ? ", a hole" : ", filled") << ", extents = " << extents);
  Plugin plugin(module_file, {{"path", sparse ? scratch.file("disk", size) : scratch.filled("disk", size, 'x')},
                              {"extents", extents}});
  auto disk = plugin.open();
  const std::uint64_t end = size / 2 - 100;
  std::filesystem::resize_file(scratch.path("disk"), end);
  std::vector<std::byte> bytes(size);
  const auto read = [&](std::uint64_t offset, std::uint64_t length, Flags flags) {
    ExtentText told;
    Io io = Io::read(offset, std::span(bytes).first(length), flags);
    io.set_sink(&told.sink);
    const int status = disk.run(io);
    REQUIRE_FALSE((status == 0 && io.lent()));
    return status;
  };
  const Flags shortcuts = Flag::may_hole | Flag::may_lend;
  for (const Flags flags : {Flag::none, Flag::may_hole, shortcuts}) {
    REQUIRE(read(0, size, flags) == EIO);
    REQUIRE(read(end - 1, 2, flags) == EIO);
    REQUIRE(read(end, 100, flags) == EIO);
    REQUIRE(read(size - 1, 1, flags) == EIO);
    if (flags.has(Flag::may_hole)) REQUIRE(read(0, size / 2, flags | Flag::nowait) == EAGAIN);
  }
  REQUIRE(read(0, size, Flag::nowait) == EAGAIN);  // for the call that may wait to find out
  REQUIRE(disk.holds(0, end, sparse ? 0 : 'x'));

  REQUIRE_THROWS_AS(disk.extents(end, size - end), Failed);
  REQUIRE_THROWS_AS(disk.extents(size - 1, 1), Failed);
  ExtentText told;
  Io io(Op::extents, 0, size);
  io.set_sink(&told.sink);
  REQUIRE(disk.run(io) == 0);
  REQUIRE(told.total == end);
}

TEST_CASE("file: zero reads as zeroes, touches nothing else and keeps the size") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M + 5, 'x')}});
  auto disk = plugin.open();
  const auto [offset, length] = GENERATE(table<std::uint64_t, std::uint64_t>(
      {{0, 64 * K}, {1, 1}, {4095, 2}, {64 * K, 4 * K}, {M - 3, 8}, {0, M + 5}, {511, 70'000}}));
  const bool may_trim = GENERATE(false, true), fast = GENERATE(false, true);
  INFO("zero " << length << "@" << offset << (may_trim ? " may trim" : "") << (fast ? " fast" : ""));
  const Flags flags = (may_trim ? Flag::may_trim : Flag::none) | (fast ? Flag::fast : Flag::none);
  const int status = disk.run(Io(Op::zero, offset, length, flags));
  REQUIRE((status == 0 || status == ENOTSUP));
  const int byte = status == 0 ? 0 : 'x';
  REQUIRE(disk.holds(0, offset, 'x'));
  REQUIRE(disk.holds(offset, length, byte));
  REQUIRE(disk.holds(offset + length, M + 5 - offset - length, 'x'));
  REQUIRE(std::filesystem::file_size(scratch.path("disk")) == M + 5);
}

TEST_CASE("file: zeroing = manual leaves all zeroes to be written and trims nothing") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", 64 * K, 'x')}, {"zeroing", "manual"}});
  auto disk = plugin.open();
  REQUIRE_FALSE(disk.geometry.flags.has(Flag::fast));
  REQUIRE(disk.geometry.zero_may_fail);
  REQUIRE(disk.run(Io(Op::zero, 0, 64 * K, Flag::may_trim)) == ENOTSUP);
  REQUIRE(disk.run(Io(Op::trim, 0, 64 * K)) == 0);
  REQUIRE(disk.holds(0, 64 * K, 'x'));
}

TEST_CASE("file: extents are exact and merged") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.file("disk", M)}});
  auto disk = plugin.open();
  REQUIRE(disk.extents(0, M) == "H1048576");
  REQUIRE(disk.fill(128 * K, 64 * K, 1) == 0);
  REQUIRE(disk.fill(192 * K, 64 * K, 2) == 0);
  REQUIRE(disk.extents(0, M) == "H131072 D131072 H786432");
  REQUIRE(disk.extents(0, M, Flag::req_one) == "H131072");
  REQUIRE(disk.extents(130 * K, 10, Flag::req_one) == "D10");
  REQUIRE(disk.extents(M - 1, 1) == "H1");
}

TEST_CASE("file: with extents = false all is data, to who asks and to who reads") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.file("disk", M)}, {"extents", "false"}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(128 * K, 64 * K, 1) == 0);
  REQUIRE(disk.run(Io(Op::zero, 160 * K, 4 * K, Flag::may_trim)) == 0);
  REQUIRE(disk.extents(0, M) == "D1048576");
  std::vector<std::byte> bytes(M, std::byte{0xee});
  ExtentText found;
  Io io = Io::read(0, bytes, Flag::may_hole | Flag::may_lend);
  io.set_sink(&found.sink);
  REQUIRE(disk.run(io) == 0);
  REQUIRE(found.text.empty());
  if (!io.lent())
    REQUIRE((bytes[0] == std::byte{0} && bytes[130 * K] == std::byte{1} && bytes[162 * K] == std::byte{0}));
}

TEST_CASE("file: a read reports holes instead of their zeroes", "[known_file_system]") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.file("disk", M)}});
  auto disk = plugin.open();
  if (!believed(scratch.path("disk")))
    SKIP_CASE("of the file system in the folder for temporary files reads believe nothing");
  REQUIRE(disk.fill(128 * K, 128 * K, 1) == 0);
  const auto flags =
      GENERATE(values<Flags>({Flag::may_hole, Flag::may_hole | Flag::nowait, Flag::may_hole | Flag::may_lend}));
  std::vector<std::byte> bytes(M, std::byte{0xee});
  const auto holes = [&](std::uint64_t offset, std::uint64_t length) {
    ExtentText found;
    Io io = Io::read(offset, {bytes.data(), length}, flags);
    io.ashlar_io::extents = &found.sink;
    const int status = disk.run(io);
    // A machine under load may take its time to look; then a worker does.
    if (status == EAGAIN && flags.has(Flag::nowait)) io.set_flags(flags.without(Flag::nowait));
    REQUIRE((status == 0 || disk.run(io) == 0));
    return found.text;
  };
  REQUIRE(holes(0, 4096) == "H4096");
  REQUIRE(bytes[0] == std::byte{0xee});
  REQUIRE(holes(0, M) == "H131072 D131072 H786432");
  REQUIRE(bytes[128 * K] == std::byte{1});
  REQUIRE(bytes[256 * K - 1] == std::byte{1});
  REQUIRE(holes(128 * K, 64 * K).empty());  // only data: filled, or lent
  REQUIRE(holes(M - 4096, 4096) == "H4096");
}

TEST_CASE("file: a backend is opened once and shared by the layer's connections") {
  const Scratch scratch;
  const std::string path = scratch.filled("disk", 4096, 'x');
  Plugin plugin(module_file, {{"path", path}});
  {
    auto first = plugin.open();
    REQUIRE(first.geometry.multi_conn);
    auto second = plugin.open();
    REQUIRE(descriptors_of(path) == 1);
    REQUIRE(first.fill(0, 4096, 7) == 0);
    REQUIRE(second.holds(0, 4096, 7));
  }
  REQUIRE(descriptors_of(path) == 0);  // the last connection has closed it
}

TEST_CASE("file: each connection has the size of when it was opened") {
  const Scratch scratch;
  const bool direct = GENERATE(false, true);
  // A last part of a block, before or after.
  const auto [before, after] = GENERATE(table<std::uint64_t, std::uint64_t>(
      {{M, 2 * M}, {M, 2 * M + 100}, {M + 100, 2 * M}, {M + 100, 2 * M + 50}, {2 * M, M}, {2 * M, M + 100}}));
  INFO(before << " to " << after << (direct ? ", direct" : ""));
  const std::string path = scratch.filled("disk", before, 'x');
  Plugin plugin(module_file, {{"path", path}, {"direct", direct ? "true" : "false"}});
  auto old = plugin.open();
  std::filesystem::resize_file(path, after);
  auto now = plugin.open();
  REQUIRE(old.geometry.size == before);
  REQUIRE(now.geometry.size == after);
  // It is one file: what one writes is read by the other, at the end of either, too.
  const std::uint64_t unit = direct ? now.geometry.minimum : 1, both = std::min(before, after) / unit * unit;
  REQUIRE(now.fill(both - unit, after - both + unit, 1) == 0);
  REQUIRE(now.holds(both - unit, after - both + unit, 1));
  REQUIRE(old.holds(both - unit, unit, 1));
  REQUIRE(old.fill(both - 2 * unit, 2 * unit, 2) == 0);
  REQUIRE(old.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(now.holds(both - 2 * unit, 2 * unit, 2));
  REQUIRE(now.holds(both, after - both, 1));
  REQUIRE(std::filesystem::file_size(path) == after);
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO].size() == 1);
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO][0].find("the size has changed from ") == 0);
}

TEST_CASE("file: a file that took the other's place is for those who come from then on") {
  const Scratch scratch;
  const std::string path = scratch.filled("disk", 4096, 'a');
  Plugin plugin(module_file, {{"path", path}, {"direct", GENERATE("false", "true")}});
  auto old = plugin.open();
  std::filesystem::rename(scratch.filled("other", 8192, 'b'), path);
  {
    auto now = plugin.open();
    REQUIRE(now.geometry.size == 8192);
    REQUIRE(now.holds(0, 8192, 'b'));
    REQUIRE(now.fill(0, 4096, 'c') == 0);
    REQUIRE(old.geometry.size == 4096);
    REQUIRE(old.holds(0, 4096, 'a'));
    REQUIRE(old.fill(0, 4096, 'd') == 0);
    auto another = plugin.open();
    REQUIRE(another.holds(0, 4096, 'c'));
    REQUIRE(old.run(Io(Op::flush, 0, 0)) == 0);
    REQUIRE(now.run(Io(Op::flush, 0, 0)) == 0);
  }
  REQUIRE(descriptors_of(path) == 0);
  REQUIRE(old.holds(0, 4096, 'd'));
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO] ==
          std::vector<std::string>{"'" + path +
                                   "' leads to another file now; clients that are connected keep the one before"});
}

TEST_CASE("file: without its path no client comes, and those that are there go on") {
  const Scratch scratch;
  const std::string path = scratch.filled("disk", 4096, 'a');
  Plugin plugin(module_file, {{"path", path}});
  auto old = plugin.open();
  std::filesystem::remove(path);
  REQUIRE_THROWS_WITH(plugin.open(), "cannot open '" + path + "': No such file or directory");
  std::filesystem::create_directory(path);
  REQUIRE_THROWS_WITH(plugin.open(),
                      "cannot open '" + path + "': it is a directory; a regular file or a block device is needed");
  REQUIRE(old.fill(0, 4096, 7) == 0);
  REQUIRE(old.run(Io(Op::flush, 0, 0)) == 0);
  REQUIRE(old.holds(0, 4096, 7));
}

TEST_CASE("file: a reader, too, has the size and the file of when it was opened") {
  const Scratch scratch;
  const std::string path = scratch.filled("disk", 4096, 'a');
  Plugin plugin(module_file, {{"path", path}, {"read_only", "true"}});
  auto first = plugin.open();
  std::filesystem::resize_file(path, 8192);
  auto second = plugin.open();
  std::filesystem::rename(scratch.filled("other", 512, 'b'), path);
  auto third = plugin.open();
  REQUIRE(first.geometry.size == 4096);
  REQUIRE(second.geometry.size == 8192);
  REQUIRE(third.geometry.size == 512);
  REQUIRE(second.holds(0, 4096, 'a'));
  REQUIRE(second.holds(4096, 4096, 0));
  REQUIRE(third.holds(0, 512, 'b'));
}

TEST_CASE("file: bytes in the page cache are lent, and only those", "[cachestat]") {
  // Its number is the same on all architectures.
  if (::syscall(451, -1, nullptr, nullptr, 0) >= 0 || errno != EBADF)
    SKIP_CASE("this kernel has no cachestat(2), so nothing is lent");
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M, 'x')}});
  auto disk = plugin.open();
  std::vector<std::byte> bytes(64 * K, std::byte{0xee});
  Io small = Io::read(0, {bytes.data(), 4096}, Flag::may_lend | Flag::nowait);
  REQUIRE(disk.run(small) == 0);
  REQUIRE_FALSE(small.lent());
  Io io = Io::read(128 * K, bytes, Flag::may_lend | Flag::nowait);
  REQUIRE(disk.run(io) == 0);
  REQUIRE(io.lent());
  char there = 0;
  REQUIRE(::pread(io.lent_fd, &there, 1, static_cast<off_t>(io.lent_offset)) == 1);
  REQUIRE(there == 'x');
  REQUIRE(io.lent_offset == 128 * K);
}

TEST_CASE("file: with direct = true nothing is lent or done inline") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M, 'x')}, {"direct", "true"}});
  auto disk = plugin.open();
  std::vector<std::byte> bytes(64 * K + 1);
  const std::span<std::byte> unaligned(bytes.data() + 1, 64 * K);
  Io io = Io::read(0, unaligned, Flag::may_lend);
  REQUIRE(disk.run(io) == 0);
  REQUIRE_FALSE(io.lent());
  REQUIRE(unaligned[64 * K - 1] == std::byte{'x'});
  REQUIRE(disk.run(Io::read(0, unaligned, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.run(Io::write(0, unaligned, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.run(Io::write(0, unaligned, Flag::fua)) == 0);
}

TEST_CASE("file: with direct = true all that blocks is the host's to do, and it parks") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M, 'x')}, {"direct", "true"}});
  const ashlar::testing::FakeBlocking& host = plugin.log.blocking;
  auto disk = plugin.open();
  CHECK(disk.geometry.parks);
  struct Counts {
    int reads, writes, runs;
    bool operator==(const Counts&) const = default;
  };
  Counts before{host.reads(), host.writes(), host.runs()};
  const auto adds = [&](int status, Counts more) {
    CHECK(status == 0);
    const Counts now{host.reads(), host.writes(), host.runs()};
    CHECK(now == Counts{before.reads + more.reads, before.writes + more.writes, before.runs + more.runs});
    before = now;
  };
  std::vector<std::byte> bytes(64 * K);
  adds(disk.run(Io::read(0, bytes)), {1, 0, 0});
  adds(disk.fill(0, 64 * K, 'y'), {0, 1, 0});
  adds(disk.fill(0, 64 * K, 'z', Flag::fua), {0, 1, 0});
  adds(disk.run(Io(Op::flush, 0, 0)), {0, 0, 1});
  adds(disk.run(Io(Op::trim, 128 * K, 64 * K)), {0, 0, 1});
  adds(disk.run(Io(Op::zero, 256 * K, 64 * K, Flag::may_trim)), {0, 0, 1});
  adds(disk.run(Io(Op::cache, 0, 64 * K)), {0, 0, 0});
  CHECK(disk.extents(0, M) == "D131072 H65536 D65536 H65536 D720896");
  adds(0, {0, 0, 1});
  // A try does nothing that blocks.
  REQUIRE(disk.run(Io::read(0, bytes, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.fill(0, 4096, 'y', Flag::nowait) == EAGAIN);
  REQUIRE(disk.run(Io(Op::flush, 0, 0, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.run(Io(Op::trim, 0, 4096, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.run(Io(Op::zero, 0, 4096, Flag::nowait | Flag::may_trim)) == EAGAIN);
  adds(0, {0, 0, 0});
  CHECK(disk.holds(0, 64 * K, 'z'));
}

TEST_CASE("file: without direct = true nothing is the host's to do, and it does not park") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M, 'x')}});
  auto disk = plugin.open();
  CHECK_FALSE(disk.geometry.parks);
  CHECK(disk.holds(0, M, 'x'));
  CHECK(disk.run(Io(Op::flush, 0, 0)) == 0);
  CHECK(plugin.log.blocking.reads() + plugin.log.blocking.runs() == 0);
}

TEST_CASE("file: what has to wait for the disk is not done inline") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M, 'x')}});
  auto disk = plugin.open();
  REQUIRE(disk.fill(0, 4096, 1, Flag::nowait | Flag::fua) == EAGAIN);
  REQUIRE(disk.run(Io(Op::flush, 0, 0, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.run(Io(Op::zero, 0, 4096, Flag::nowait | Flag::fua)) == EAGAIN);
  REQUIRE(disk.run(Io(Op::cache, 0, 4096, Flag::nowait)) == EAGAIN);
  REQUIRE(disk.run(Io(Op::cache, 0, 4096)) == 0);
  REQUIRE(disk.holds(0, M, 'x'));
}

TEST_CASE("file: the user sees which way zeroing went") {
  const Scratch scratch;
  Plugin plugin(module_file, {{"path", scratch.filled("disk", M, 'x')}});
  {
    auto disk = plugin.open();
    REQUIRE(disk.run(Io(Op::zero, 0, 64 * K, Flag::may_trim)) == 0);
    REQUIRE(plugin.log.lines[ASHLAR_LOG_DEBUG].back() == "zero 64K@0: punch_hole ok");
    REQUIRE(disk.run(Io(Op::trim, 64 * K, 4096)) == 0);
    REQUIRE(plugin.log.lines[ASHLAR_LOG_DEBUG].back() == "trim 4K@64K: punch_hole ok");
  }
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO].size() == 1);
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO][0].find("zero and trim: punch_hole 2 of 2 ok, 68K in ") == 0);
  plugin.open();
  REQUIRE(plugin.log.lines[ASHLAR_LOG_INFO].size() == 1);  // no zero or trim, no line
}

TEST_CASE("file: a path with a * lists the regular files that it could be") {
  const Scratch scratch;
  for (const char* name : {"a.img", "b.img", "b.raw", "img", ".img", ".c.img", "x..img", "x.img.img"})
    scratch.file(name, 1);
  std::filesystem::create_directory(scratch.path("folder.img"));
  std::filesystem::create_symlink("b.raw", scratch.path("link.img"));
  std::filesystem::create_symlink("nowhere", scratch.path("lost.img"));
  REQUIRE(::mkfifo(scratch.path("pipe.img").c_str(), 0600) == 0);
  const auto exports = [&](const std::string& path) { return Plugin(module_file, {{"path", path}}).exports(); };
  CHECK(exports(scratch.path("*.img")) == "a b link x. x.img ");
  CHECK(exports(scratch.path("*")) == "a.img b.img b.raw img link.img x..img x.img.img ");
  CHECK(exports(scratch.path("b*")).empty());  // what the * could stand for begins with a dot
  CHECK(exports(scratch.path("x.*")) == "img.img ");
  CHECK(exports(scratch.path("b.*")) == "img raw ");
  CHECK(exports(scratch.path("none-*")).empty());
  CHECK(exports(scratch.path(".*")).empty());
}

TEST_CASE("file: a path that is no template, or leads to no folder, lists nothing") {
  const Scratch scratch;
  const auto refusal = [&](const std::string& path) {
    try {
      return "listed: " + Plugin(module_file, {{"path", path}}).exports();
    } catch (const Failed& e) {
      return std::string(e.what());
    }
  };
  const std::string plain = scratch.path("disk.img"), above = scratch.path("*/disk.img"), two = scratch.path("*-*.img");
  const std::string no_star = "' has no * in its last part, for which the names of files could stand";
  CHECK(refusal(plain) == "'" + plain + no_star);
  CHECK(refusal(above) == "'" + above + no_star);
  CHECK(refusal(two) == "'" + two + "' has more than one *; one can stand for a name");
  CHECK(refusal(scratch.path("absent/*")) == "cannot list '" + scratch.path("absent") + "': No such file or directory");
}
