// SharedBackend: which connections share a backend, while the path comes to lead elsewhere. Over real files.
#include "fileops/shared.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "../temp_folder.hpp"
#include "catch.hpp"
#include "fileops/device.hpp"
#include "model_disk.hpp"

using namespace testing;
using Use = SharedBackend::Use;

namespace {

// The kernel, but for fdatasync(2) of one file.
struct FailingSync : Syscalls {
  explicit FailingSync(ino_t& file) : of(file) {}
  int fdatasync(int fd) override {
    struct stat status = {};
    return ::fstat(fd, &status) == 0 && status.st_ino == of ? -EIO : Syscalls::fdatasync(fd);
  }
  ino_t& of;
};

// A disk at a path, and other files that take its place.
struct Place {
  TempFolder folder;
  Log log;
  const std::string path = folder.write("disk", std::string(4096, 'a'));
  ino_t failing = 0;  // inode whose fdatasync fails
  SharedBackend shared{{.path = path}, log.host(), std::make_unique<FailingSync>(failing)};

  void replace(std::size_t size, char byte) const {
    std::filesystem::rename(folder.write("other", std::string(size, byte)), path);
  }
};

ino_t inode(const std::string& path) {
  struct stat status = {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_ino;
}

int flush(const Use& use) {
  Io io(Op::flush, 0, 0);
  return use->flush(io).code();
}

}  // namespace

TEST_CASE("an error of fdatasync is known to all connections of the file, whatever size they were told") {
  Place p;
  const Use old(p.shared, false);
  REQUIRE(old->geometry().size == 4096);
  std::filesystem::resize_file(p.path, 8192);
  const Use now(p.shared, false);
  REQUIRE(now->geometry().size == 8192);
  p.failing = inode(p.path);
  REQUIRE(flush(now) == EIO);
  p.failing = 0;
  REQUIRE(flush(old) == EIO);
  REQUIRE(flush(now) == EIO);
  const Use later(p.shared, false);
  REQUIRE(flush(later) == EIO);
}

TEST_CASE("those that only read and those that write have each their own backend, and see the same bytes") {
  Place p;
  const Use reads(p.shared, true);
  const Use writes(p.shared, false);
  REQUIRE(&*reads != &*writes);
  REQUIRE(reads->geometry().read_only);
  REQUIRE_FALSE(writes->geometry().read_only);
  const Use more(p.shared, true);
  REQUIRE(&*more == &*reads);
  const std::vector<std::byte> there(512, std::byte{'b'});
  Io write = Io::write(0, there);
  REQUIRE(writes->write(write).code() == 0);
  std::vector<std::byte> seen(512);
  Io read = Io::read(0, seen);
  REQUIRE(reads->read(read).code() == 0);
  REQUIRE(seen == there);
  REQUIRE(p.log.info.empty());  // nothing has taken the place of anything
}

TEST_CASE("an error of fdatasync is no error of the file that took the place, and is known when the old one is back") {
  Place p;
  p.failing = inode(p.path);
  const Use old(p.shared, false);
  REQUIRE(flush(old) == EIO);
  std::filesystem::create_hard_link(p.path, p.folder.path() / "kept");
  p.replace(512, 'b');
  p.failing = 0;
  const Use other(p.shared, false);
  REQUIRE(flush(other) == 0);
  std::filesystem::rename(p.folder.path() / "kept", p.path);
  const Use back(p.shared, false);
  REQUIRE(&*back == &*old);
  REQUIRE(flush(back) == EIO);
  REQUIRE(flush(other) == 0);
}

TEST_CASE("a backend is closed by the last connection of its file, and what it remembered is gone") {
  Place p;
  auto old = std::make_unique<Use>(p.shared, false);
  p.failing = inode(p.path);
  REQUIRE(flush(*old) == EIO);
  p.failing = 0;
  const std::string kept = p.folder.path() / "kept";
  std::filesystem::create_hard_link(p.path, kept);
  p.replace(512, 'b');
  const Use other(p.shared, false);
  old.reset();
  std::filesystem::rename(kept, p.path);
  const Use back(p.shared, false);
  REQUIRE(flush(back) == 0);
}

TEST_CASE("the size is that of when a device was made, and describes it from then on") {
  Place p;
  const Use use(p.shared, false);
  BackendDevice device(*use);
  std::filesystem::resize_file(p.path, 8192);
  BackendDevice later(*use);
  REQUIRE(device.describe().size == 4096);
  REQUIRE(later.describe().size == 8192);
}

TEST_CASE("a size that cannot be read is an error with its reason") {
  Bench b(Kind::file);
  b.disk.size_error = EIO;
  REQUIRE_THROWS_WITH(BackendDevice(*b.backend), "cannot read the size: Input/output error");
}

TEST_CASE("direct I/O: a part of a block at the end, before or after, is never reached without the page cache") {
  Facts facts;
  facts.direct = true;
  facts.direct_block = 512;
  facts.direct_end = UINT64_MAX;  // as for the size before
  Bench b(Kind::file, 3 * M + 100, 512, facts);
  std::vector<std::byte> bytes;
  REQUIRE(b.read({3 * M, 100}, bytes) == EIO);  // less than a block cannot be had so
  REQUIRE(b.backend->geometry().size == 3 * M + 100);
  REQUIRE(b.read({3 * M - 512, 612}, bytes) == 0);
  REQUIRE(b.write({3 * M, 100}, 1) == 0);
  REQUIRE(b.disk.cells.holds({3 * M, 100}, 1));
}

TEST_CASE("a file that has grown is looked at for holes") {
  Bench b(Kind::file, 2 * M, 512, {.dense = true});
  b.disk.cells.set({M, M}, {0, false});
  std::vector<std::byte> bytes(4096);
  ashlar_extent_sink sink{nullptr, [](void*, std::uint64_t, std::uint32_t) noexcept -> std::int32_t { return 0; }};
  const auto seeks = [&] {
    Io io = Io::read(M, bytes, Flag::may_hole);
    io.ashlar_io::extents = &sink;
    REQUIRE(b.backend->read(io).ok());
    return b.disk.count(Call::seek);
  };
  b.backend = std::make_unique<Backend>(Facts{.size = M, .dense = true}, Fd{}, Fd{}, b.disk, b.log.host());
  REQUIRE(seeks() == 0);
  REQUIRE(b.backend->geometry().size == 2 * M);
  REQUIRE(seeks() > 0);
}

TEST_CASE("connections that come while the file is replaced again and again each have one file, whole") {
  Place p;
  const auto replace = [&p](std::size_t kind) { p.replace(512 * (1 + kind), static_cast<char>('a' + kind)); };
  replace(0);
  std::atomic<bool> stop{false};
  std::thread replacing([&] {
    for (std::size_t i = 1; !stop; ++i) replace(i % 8);
  });
  std::atomic<int> wrong{0};
  const auto connect = [&wrong](SharedBackend& shared) {
    for (int i = 0; i < 300; ++i) try {
        const Use use(shared, false);
        BackendDevice device(*use);
        const std::uint64_t size = device.describe().size;
        std::vector<std::byte> bytes(size);
        Io io = Io::read(0, bytes);
        const auto byte = static_cast<std::byte>('a' + size / 512 - 1);
        wrong += device.read(io).failed() || flush(use) != 0 || bytes != std::vector<std::byte>(size, byte);
      } catch (const OpenError&) {
        ++wrong;
      }
  };
  SharedBackend direct({.path = p.path, .direct = true}, p.log.host());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(connect, std::ref(i == 0 ? direct : p.shared));
  for (std::thread& thread : threads) thread.join();
  stop = true;
  replacing.join();
  REQUIRE(wrong == 0);
}

TEST_CASE("who goes does not wait for who comes, though the path may hang") {
  Place p;
  auto old = std::make_unique<Use>(p.shared, false);
  p.replace(512, 'b');
  // open(2) waits as long as somebody else has a lease, or until the system's time for that is over (45 s).
  std::signal(SIGIO, SIG_IGN);
  Fd lease{::open(p.path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (::fcntl(lease.get(), F_SETLEASE, F_WRLCK) != 0) {
    WARN("no lease can be taken here: skipped");
    return;
  }
  std::atomic<bool> came{false};
  std::thread coming([&] {
    const Use now(p.shared, false);
    came = true;
  });
  while (!came && ::fcntl(lease.get(), F_GETLEASE) == F_WRLCK) std::this_thread::yield();
  old.reset();
  CHECK_FALSE(came);
  CHECK(::fcntl(lease.get(), F_SETLEASE, F_UNLCK) == 0);
  coming.join();
  REQUIRE(came);
}
