// ModelDisk: a file or block device of any size in a few bytes of memory, behind the seam of fileops. It knows of every
// byte what it is and whether it is provisioned, refuses what the kernel refuses, and lets a test put any errno in any
// call.
#pragma once
#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <ashlar/io.hpp>
#include <ashlar/testing/fake_wait.hpp>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "fileops/backend.hpp"

namespace testing {

using namespace ashlar::fileops;
using ashlar::Flags;
using ashlar::Io;
using ashlar::Op;
using ashlar::Status;
namespace Flag = ashlar::Flag;

inline constexpr std::uint64_t K = 1024, M = K * K, G = K * M;

enum class Call { read, write, punch, zero_range, write_zeroes, allocate, blkzeroout, blkdiscard, fdatasync, seek };

inline const char* name(Call call) {
  constexpr const char* names[] = {"read",     "write",      "punch",      "zero_range", "write_zeroes",
                                   "allocate", "blkzeroout", "blkdiscard", "fdatasync",  "seek"};
  return names[static_cast<int>(call)];
}

struct Cell {
  int byte = 0xff;
  bool provisioned = true;
  friend bool operator==(const Cell&, const Cell&) = default;
};

// Contents as runs of equal cells.
class Cells {
 public:
  explicit Cells(std::uint64_t size) : size_(size) { runs_[0] = {}; }
  void set(Range range, Cell cell) {
    change(range, [cell](Cell& c) { c = cell; });
  }
  template <class Change>
  void change(Range range, Change&& how) {
    if (range.empty()) return;
    cut(range.offset);
    cut(range.end());
    for (auto run = runs_.find(range.offset); run != runs_.end() && run->first < range.end(); ++run) how(run->second);
  }
  template <class Test>
  bool all(Range range, Test&& test) const {
    if (range.empty()) return true;
    for (auto run = std::prev(runs_.upper_bound(range.offset)); run != runs_.end() && run->first < range.end(); ++run)
      if (!test(run->second)) return false;
    return true;
  }
  bool holds(Range range, int byte) const {
    return all(range, [byte](const Cell& c) { return c.byte == byte; });
  }
  bool provisioned(Range range) const {
    return all(range, [](const Cell& c) { return c.provisioned; });
  }
  bool untouched(Range range) const {
    return all(range, [](const Cell& c) { return c == Cell{}; });
  }
  Cell at(std::uint64_t offset) const { return std::prev(runs_.upper_bound(offset))->second; }
  std::uint64_t run_end(std::uint64_t offset) const {
    const auto next = runs_.upper_bound(offset);
    return next == runs_.end() ? size_ : next->first;
  }

 private:
  void cut(std::uint64_t at) {
    if (at < size_) runs_.emplace(at, std::prev(runs_.upper_bound(at))->second);
  }
  std::uint64_t size_;
  std::map<std::uint64_t, Cell> runs_;
};

class ModelDisk : public Syscalls {
 public:
  explicit ModelDisk(Kind kind, std::uint64_t bytes = M, std::uint32_t sector_bytes = 512)
      : cells(bytes), kind_(kind), size_(bytes), sector_(sector_bytes) {}

  // What to answer instead: 0: nothing; negative: an errno; positive, for read and write: so many bytes at most.
  std::function<int(Call)> fault;
  // Calls that this kernel or file system does not have: answered with EOPNOTSUPP.
  std::vector<Call> lacking;
  Cells cells;
  std::vector<std::pair<Call, Range>> calls;
  bool mode_0_on_device = false;  // the mistake that cost cached pages

  std::size_t count(Call call) const {
    return static_cast<std::size_t>(
        std::count_if(calls.begin(), calls.end(), [call](const auto& c) { return c.first == call; }));
  }

  ssize_t read(int, void* into, std::size_t length, std::uint64_t offset, int flags) override {
    const std::lock_guard lock(mutex_);
    read_flags = flags;
    const int f = note(Call::read, {offset, length});
    if (f < 0) return f;
    if (f > 0) length = std::min<std::size_t>(length, static_cast<std::size_t>(f));
    length = std::min<std::uint64_t>(length, offset < size_ ? size_ - offset : 0);
    for (std::uint64_t at = offset, end = offset + length; at < end;) {
      const std::uint64_t next = std::min(cells.run_end(at), end);
      std::fill_n(static_cast<std::byte*>(into) + (at - offset), next - at, static_cast<std::byte>(cells.at(at).byte));
      at = next;
    }
    return static_cast<ssize_t>(length);
  }
  ssize_t write(int, const void* from, std::size_t length, std::uint64_t offset, int flags) override {
    const std::lock_guard lock(mutex_);
    write_flags = flags;
    const int f = note(Call::write, {offset, length});
    if (f < 0) return f;
    if (f > 0) length = std::min<std::size_t>(length, static_cast<std::size_t>(f));
    const auto* bytes = static_cast<const unsigned char*>(from);
    const bool all_equal = std::memcmp(bytes, bytes + 1, length - 1) == 0;  // as a rule, and a loop would be slow
    for (std::size_t i = 0; i < length;) {
      std::size_t j = all_equal ? length : i;
      while (j < length && bytes[j] == bytes[i]) ++j;
      cells.set({offset + i, j - i}, {bytes[i], true});
      i = j;
    }
    return static_cast<ssize_t>(length);
  }
  int fallocate(int, int mode, std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    const Call call = mode == 0                      ? Call::allocate
                      : mode == FALLOC_FL_ZERO_RANGE ? Call::zero_range
                      : mode == falloc_write_zeroes  ? Call::write_zeroes
                                                     : Call::punch;
    if (call == Call::allocate && kind_ == Kind::block) mode_0_on_device = true;
    if (const int f = note(call, {offset, length}); f != 0) return f;
    if (kind_ == Kind::block && (call == Call::allocate || call == Call::write_zeroes)) return -EOPNOTSUPP;
    if (const int refused = misaligned({offset, length})) return refused;
    if (call == Call::allocate) cells.change({offset, length}, [](Cell& c) { c.provisioned = true; });
    else cells.set({offset, length}, {0, call != Call::punch});
    return 0;
  }
  int blkzeroout(int, std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    if (const int f = note(Call::blkzeroout, {offset, length}); f != 0) return f;
    if (kind_ == Kind::file) return -ENOTTY;
    if (const int refused = misaligned({offset, length})) return refused;
    cells.set({offset, length}, {0, true});
    return 0;
  }
  int blkdiscard(int, std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    if (const int f = note(Call::blkdiscard, {offset, length}); f != 0) return f;
    if (kind_ == Kind::file) return -ENOTTY;
    if (const int refused = misaligned({offset, length})) return refused;
    cells.set({offset, length}, {0xdd, false});  // what is read after a discard may be anything
    return 0;
  }
  int fdatasync(int) override {
    const std::lock_guard lock(mutex_);
    return note(Call::fdatasync, {});
  }
  std::int64_t seek(int, std::uint64_t offset, int whence) override {
    const std::lock_guard lock(mutex_);
    if (const int f = note(Call::seek, {offset, 0}); f != 0) return f;
    if (offset >= size_) return -ENXIO;
    while (offset < size_ && cells.at(offset).provisioned != (whence == SEEK_DATA)) offset = cells.run_end(offset);
    if (offset >= size_ && whence == SEEK_DATA) return -ENXIO;
    return static_cast<std::int64_t>(std::min(offset, size_));  // behind the last byte is a hole
  }
  std::int64_t size(int) override {
    const std::lock_guard lock(mutex_);
    return size_error != 0 ? -size_error : static_cast<std::int64_t>(size_);
  }
  std::int64_t size_known(int fd) override { return size(fd); }
  // Somebody makes it shorter.
  void cut(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    size_ = bytes;
  }
  std::int64_t allocated(int) override {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (std::uint64_t at = 0; at < size_; at = cells.run_end(at))
      if (cells.at(at).provisioned) bytes += cells.run_end(at) - at;
    return static_cast<std::int64_t>(bytes);
  }
  int will_need(int, std::uint64_t, std::uint64_t) override { return 0; }
  std::int64_t cached_pages(int, std::uint64_t, std::uint64_t) override {
    ++cached_asked;
    return cached;
  }

  std::int64_t now() override {
    const std::lock_guard lock(mutex_);
    return clock;
  }

  std::int64_t clock = 1;         // stands still unless a test moves it
  int read_flags = 0;             // of the last read
  int write_flags = 0;            // of the last write
  int size_error = 0;             // errno with which its size cannot be read
  std::int64_t cached = -ENOSYS;  // pages, as cachestat(2) tells of any range
  int cached_asked = 0;           // how often

 private:
  int note(Call call, Range range) {
    calls.emplace_back(call, range);
    if (std::find(lacking.begin(), lacking.end(), call) != lacking.end()) return -EOPNOTSUPP;
    return fault ? fault(call) : 0;
  }
  int misaligned(Range range) const { return kind_ == Kind::block && !aligned(range, sector_) ? -EINVAL : 0; }

  std::mutex mutex_;
  Kind kind_;
  std::uint64_t size_;
  std::uint32_t sector_;
};

// Faults: `call` answers `error` the first `times` times.
inline std::function<int(Call)> failing(Call call, int error, int times = 1 << 30) {
  return [call, error, left = std::make_shared<int>(times)](Call c) { return c == call && (*left)-- > 0 ? -error : 0; };
}

// Log lines of a backend.
struct Log {
  ashlar_host services{sizeof(ashlar_host), ASHLAR_ABI_MINOR, this, &enabled, &add, &extension};
  ashlar::testing::FakeWait wait;
  std::mutex mutex;
  std::vector<std::string> info, debug, errors;

  ashlar::Host host() { return ashlar::Host{&services}; }

 private:
  static std::int32_t enabled(void*, std::uint32_t) noexcept { return 1; }
  static void add(void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
    auto& me = *static_cast<Log*>(self);
    const std::lock_guard lock(me.mutex);
    (level == ASHLAR_LOG_DEBUG ? me.debug : level == ASHLAR_LOG_INFO ? me.info : me.errors).emplace_back(text, length);
  }
  static const void* extension(void* self, const char* name) noexcept {
    const bool wanted = std::string_view(name) == ASHLAR_WAIT_ID;
    return wanted ? static_cast<Log*>(self)->wait.services() : nullptr;
  }
};

// A backend over a model disk.
struct Bench {
  explicit Bench(Kind kind, std::uint64_t size = M, std::uint32_t sector = 512, Facts facts = {})
      : disk(kind, size, sector),
        backend(std::make_unique<Backend>(fill(facts, kind, size, sector), a_file(), a_file(), disk, log.host())) {}

  int zero(Range range, Flags flags = Flag::none) {
    Io io(Op::zero, range.offset, range.length, flags);
    return backend->zero(io).code();
  }
  int trim(Range range, Flags flags = Flag::none) {
    Io io(Op::trim, range.offset, range.length, flags);
    return backend->trim(io).code();
  }
  int flush() {
    Io io(Op::flush, 0, 0);
    return backend->flush(io).code();
  }
  int write(Range range, int byte, Flags flags = Flag::none) {
    const std::vector<std::byte> bytes(range.length, static_cast<std::byte>(byte));
    Io io = Io::write(range.offset, bytes, flags);
    return backend->write(io).code();
  }
  int read(Range range, std::vector<std::byte>& bytes, Flags flags = Flag::none) {
    bytes = std::vector<std::byte>(range.length, std::byte{0xee});
    Io io = Io::read(range.offset, bytes, flags);
    return backend->read(io).code();
  }
  Methods unsupported() const { return backend->abilities().unsupported(); }

  Log log;
  ModelDisk disk;
  std::unique_ptr<Backend> backend;

 private:
  // Any: nothing but its number is used.
  static Fd a_file() { return Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
  static Facts fill(Facts facts, Kind kind, std::uint64_t size, std::uint32_t sector) {
    facts.kind = kind;
    facts.size = size;
    facts.sector = sector;
    if (kind == Kind::block) facts.holes = Holes::unknown;
    if (kind == Kind::block && facts.discard_block == 1) facts.discard_block = sector;
    return facts;
  }
};

// All but `range` is as it was.
inline bool only(const ModelDisk& disk, Range range, std::uint64_t size) {
  return disk.cells.untouched({0, range.offset}) && disk.cells.untouched({range.end(), size - range.end()});
}

}  // namespace testing
