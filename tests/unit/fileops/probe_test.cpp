// The probe over a model disk: what it makes of whole, old, lying and failing storage.
#include "fileops/probe/probe.hpp"

#include "catch.hpp"
#include "model_disk.hpp"

using namespace testing;
using ashlar::Supported;

namespace {

// An empty scratch file, whose writes take a thousand times as long as everything else.
struct Scratch : ModelDisk {
  Scratch() : ModelDisk(Kind::file, scratch_bytes) {
    cells.set({0, scratch_bytes}, {0, false});
    fault = [this](Call call) {
      clock += call == Call::write ? 1'000'000 : 1000;
      return failing_call == call ? -error : 0;
    };
  }
  std::optional<Call> failing_call;
  int error = 0;
};

const Finding& row(const Findings& all, const std::string& name) {
  for (const Finding& f : all)
    if (f.name == name) return f;
  throw std::runtime_error("no row " + name);
}

std::string names(const Findings& all) {
  std::string text;
  for (const Finding& f : all) text += (text.empty() ? "" : " ") + f.name;
  return text;
}

// A device or file that may only be read: the kernel says so to every call that it has.
struct OnlyRead : ModelDisk {
  explicit OnlyRead(Kind kind) : ModelDisk(kind) {
    fault = [](Call call) { return call == Call::read ? 0 : -EBADF; };
  }
};

Facts device_facts() {
  Facts facts;
  facts.kind = Kind::block;
  facts.size = M;
  facts.discard_block = 65536;
  facts.discard_phase = 512;
  return facts;
}

}  // namespace

TEST_CASE("a file system with everything") {
  Scratch disk;
  const Findings all = try_on_scratch(disk, 3);
  REQUIRE(names(all) ==
          "punch_hole write_zeroes zero_range punch_and_allocate zero fast_zero trim extents write_dsync write_nowait "
          "read_nowait cachestat");
  for (const Finding& f : all) {
    INFO(f.name << ": " << f.note);
    CHECK(f.supported == (f.name == "cachestat" ? Supported::no : Supported::yes));
  }
  CHECK(row(all, "punch_hole").note == "deallocates; 2M in 1 µs");
  CHECK(row(all, "zero_range").note == "zeroes, and what was a hole is provisioned; 2M in 1 µs");
  CHECK(row(all, "punch_and_allocate").note == "zeroes, and what was a hole is provisioned; 2M in 2 µs");
  CHECK(row(all, "zero").note == "that may deallocate: punch_hole; that may not: write_zeroes");
  CHECK(row(all, "fast_zero").note == "punch_hole: 2M in 1 µs, writing them takes 2001 µs");
  CHECK(row(all, "cachestat").note == "ENOSYS: large reads are copied");
}

TEST_CASE("what NFS 4.2 and tmpfs lack") {
  Scratch disk;
  disk.lacking = {Call::zero_range, Call::write_zeroes};
  const Findings all = try_on_scratch(disk, 3);
  CHECK(row(all, "zero_range").supported == Supported::no);
  CHECK(row(all, "zero_range").note == "EOPNOTSUPP: the file system or the kernel lacks it");
  CHECK(row(all, "zero").supported == Supported::yes);
  CHECK(row(all, "zero").note == "that may deallocate: punch_hole; that may not: punch_and_allocate");
}

TEST_CASE("nothing but writing") {
  Scratch disk;
  disk.lacking = {Call::zero_range, Call::write_zeroes, Call::punch, Call::seek};
  const Findings all = try_on_scratch(disk, 3);
  for (const char* name :
       {"punch_hole", "write_zeroes", "zero_range", "punch_and_allocate", "zero", "fast_zero", "trim", "extents"}) {
    INFO(name);
    CHECK(row(all, name).supported == Supported::no);
  }
  CHECK(row(all, "zero").note ==
        "that may deallocate: zeroes are written instead; that may not: zeroes are written instead");
  CHECK(row(all, "fast_zero").note == "always refused; clients write");
  CHECK(row(all, "trim").note == "succeeds, having done nothing");
  CHECK(row(all, "extents").note == "all of a file is told as data");
}

TEST_CASE("a method that lies is found out") {
  struct Liar : Scratch {
    int fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) override {
      if (mode == FALLOC_FL_ZERO_RANGE) return 0;                                                // does nothing
      if (mode == falloc_write_zeroes) return Scratch::fallocate(fd, mode, offset - 1, length);  // elsewhere
      return Scratch::fallocate(fd, mode, offset, length);
    }
  } disk;
  const Findings all = try_on_scratch(disk, 3);
  for (const char* name : {"zero_range", "write_zeroes"}) {
    CHECK(row(all, name).supported == Supported::no);
    CHECK(row(all, name).note == "it succeeds, but leaves something else than zeroes: do not use");
  }
}

TEST_CASE("a method that reaches beyond its range, or a hole that leads nowhere, is found out") {
  struct Liar : Scratch {
    int fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) override {
      return Scratch::fallocate(fd, mode, offset, mode == FALLOC_FL_ZERO_RANGE ? length + 1 : length);
    }
    std::int64_t seek(int fd, std::uint64_t offset, int whence) override {
      return whence == SEEK_DATA ? -ENXIO : Scratch::seek(fd, offset, whence);
    }
  } disk;
  const Findings all = try_on_scratch(disk, 3);
  CHECK(row(all, "zero_range").supported == Supported::no);
  CHECK(row(all, "extents").supported == Supported::no);
}

TEST_CASE("a scratch file that is cut off ends in an answer all the same") {
  struct Cut : Scratch {
    ssize_t read(int, void*, std::size_t, std::uint64_t, int) override { return 0; }
  } disk;
  CHECK(row(try_on_scratch(disk, 3), "punch_hole").supported == Supported::no);
}

TEST_CASE("what the kernel does not tell is not known, and does not hide what it does tell") {
  OnlyRead disk(Kind::block);
  disk.fault = [](Call call) { return call == Call::read ? 0 : call == Call::zero_range ? -EINVAL : -EBADF; };
  const Findings all = ask(disk, 3, device_facts(), DeviceLimits{1 << 20, 1 << 30});
  CHECK(row(all, "zero_range").supported == Supported::unknown);
  CHECK(row(all, "zero_range").note == "EINVAL: the kernel does not tell");
  CHECK(row(all, "punch_hole").supported == Supported::yes);
  CHECK(row(all, "zero").supported == Supported::yes);
  disk.fault = [](Call call) { return call == Call::read ? 0 : call == Call::blkzeroout ? -EINVAL : -EBADF; };
  CHECK(row(ask(disk, 3, device_facts(), DeviceLimits{1 << 20, 1 << 30}), "zero").supported == Supported::yes);
}

TEST_CASE("space that is not there is told: provisioned zeroes that are holes, holes that keep their space") {
  struct Miser : Scratch {
    int fallocate(int fd, int mode, std::uint64_t offset, std::uint64_t length) override {
      const int result = Scratch::fallocate(fd, mode, offset, length);
      if (mode == FALLOC_FL_ZERO_RANGE) cells.set({offset, length}, {0, false});
      if (mode == falloc_write_zeroes) cells.set({offset + length / 2, length / 2}, {0, false});
      if ((mode & FALLOC_FL_PUNCH_HOLE) != 0) cells.set({offset, length / 2}, {0, true});
      return result;
    }
  } disk;
  const Findings all = try_on_scratch(disk, 3);
  CHECK(row(all, "zero_range").note == "zeroes, but the space is freed: later writes may lack space; 2M in 1 µs");
  CHECK(row(all, "write_zeroes").note ==
        "zeroes what is allocated, but a hole stays one: later writes may lack space; 2M in 1 µs");
  CHECK(row(all, "punch_hole").note == "zeroes, but the space is not freed; 2M in 1 µs");
}

TEST_CASE("FAST is told honest only when zeroing is quicker than writing") {
  Scratch disk;
  disk.fault = [&disk](Call call) {
    disk.clock += call == Call::punch ? 9'000'000 : call == Call::write ? 1'000'000 : 0;
    return 0;
  };
  const Findings all = try_on_scratch(disk, 3);
  CHECK(row(all, "fast_zero").supported == Supported::no);
  CHECK(row(all, "fast_zero").note == "punch_hole: 2M in 9000 µs, writing them takes 2000 µs");
}

TEST_CASE("an error that clients would get is told as such") {
  Scratch disk;
  disk.failing_call = Call::punch;
  disk.error = EPERM;
  const Findings all = try_on_scratch(disk, 3);
  CHECK(row(all, "punch_hole").supported == Supported::unknown);
  CHECK(row(all, "punch_hole").note == "EPERM: Operation not permitted; clients get this error");
  disk.error = EINVAL;
  CHECK(row(try_on_scratch(disk, 3), "punch_hole").note == "EINVAL: refused here; it is tried anew each time");
}

TEST_CASE("when the scratch file cannot be used, that is told and nothing else is made up") {
  const Call call = GENERATE(Call::write, Call::read, Call::fdatasync);
  Scratch disk;
  disk.failing_call = call;
  disk.error = ENOSPC;
  const Findings all = try_on_scratch(disk, 3);
  REQUIRE(names(all) == "scratch");
  CHECK(disk.count(Call::punch) == (call == Call::read ? 1 : 0));  // nothing is tried on what could not be prepared
  CHECK(all[0].supported == Supported::no);
  CHECK(all[0].note == "ENOSPC: No space left on device; nothing more could be tried");
}

TEST_CASE("interrupted calls are repeated") {
  Scratch disk;
  int calls = 0;
  disk.fault = [&calls](Call) { return ++calls % 2 == 1 ? -EINTR : 0; };
  const Findings all = try_on_scratch(disk, 3);
  for (const char* name : {"punch_hole", "zero_range", "extents", "write_dsync", "read_nowait"})
    CHECK(row(all, name).supported == Supported::yes);
}

TEST_CASE("a device is only asked") {
  OnlyRead disk(Kind::block);
  const Findings all = ask(disk, 3, device_facts(), DeviceLimits{1 << 20, 1 << 30});
  REQUIRE(names(all) == "punch_hole zero_range blkzeroout blkdiscard zero fast_zero trim extents");
  for (const Finding& f : all) {
    INFO(f.name << ": " << f.note);
    CHECK(f.supported == (f.name == "extents" ? Supported::no : Supported::yes));
  }
  CHECK(row(all, "punch_hole").note == "the device zeroes by itself, up to 1048576 bytes in one command");
  CHECK(row(all, "zero").note == "sectors of 512 bytes: what sticks out of whole sectors is written");
  CHECK(row(all, "trim").note == "in units of 65536 bytes from byte 512 on");
  CHECK(disk.count(Call::write) == 0);
  CHECK_FALSE(disk.mode_0_on_device);
  // Whatever the kernel makes of a call, nothing of the device lies in its range.
  for (const auto& [call, range] : disk.calls) CHECK(range.offset >= M);
  CHECK(disk.cells.untouched({0, M}));
}

TEST_CASE("a device that can do nothing by itself") {
  OnlyRead disk(Kind::block);
  const Findings all = ask(disk, 3, device_facts(), DeviceLimits{});
  CHECK(row(all, "punch_hole").supported == Supported::no);
  CHECK(row(all, "punch_hole").note == "the device cannot zero by itself");
  CHECK(row(all, "blkdiscard").supported == Supported::no);
  CHECK(row(all, "zero_range").supported == Supported::yes);
  CHECK(row(all, "zero_range").note == "the kernel writes the zeroes");
  CHECK(row(all, "fast_zero").supported == Supported::no);
  CHECK(row(all, "zero").supported == Supported::yes);
  CHECK(row(all, "trim").supported == Supported::no);
}

TEST_CASE("a device behind a kernel that refuses the calls, or does not tell") {
  OnlyRead disk(Kind::block);
  disk.lacking = {Call::punch, Call::zero_range, Call::blkzeroout, Call::blkdiscard};
  Findings all = ask(disk, 3, device_facts(), DeviceLimits{1 << 20, 1 << 30});
  for (const char* name : {"punch_hole", "zero_range", "blkzeroout", "blkdiscard"})
    CHECK(row(all, name).note == "EOPNOTSUPP: the kernel refuses the call");
  CHECK(row(all, "zero").note == "zeroes are written instead");
  CHECK(row(all, "trim").note == "succeeds, having done nothing");
  disk.lacking.clear();
  all = ask(disk, 3, device_facts(), std::nullopt);
  for (const char* name : {"punch_hole", "zero_range", "blkzeroout", "blkdiscard", "zero", "fast_zero", "trim"})
    CHECK(row(all, name).supported == Supported::unknown);
}

TEST_CASE("a file that is only asked about: what was not tried is not known") {
  OnlyRead disk(Kind::file);
  Facts facts;
  facts.size = M - 1;
  disk.lacking = {Call::write_zeroes};
  const Findings all = ask(disk, 3, facts, std::nullopt);
  REQUIRE(names(all) == "punch_hole write_zeroes zero_range punch_and_allocate");
  CHECK(row(all, "punch_hole").supported == Supported::unknown);
  CHECK(row(all, "write_zeroes").supported == Supported::no);
  for (const auto& [call, range] : disk.calls) CHECK(range.offset >= M);
  CHECK(disk.count(Call::write) == 0);
}

TEST_CASE("reading without waiting, where the file system has it, refuses now, or lacks it") {
  struct Reader : ModelDisk {
    Reader() : ModelDisk(Kind::file) {}
    int error = 0;
    ssize_t read(int fd, void* into, std::size_t length, std::uint64_t offset, int flags) override {
      return flags != 0 && error != 0 ? -error : ModelDisk::read(fd, into, length, offset, flags);
    }
    std::int64_t cached_pages(int, std::uint64_t, std::uint64_t) override { return 1; }
  } disk;
  for (const int error : {0, EAGAIN, EOPNOTSUPP}) {
    disk.error = error;
    const Findings all = ask_about_reading(disk, 3, 0);
    REQUIRE(names(all) == "read_nowait cachestat");
    CHECK(all[0].supported == (error == EOPNOTSUPP ? Supported::no : Supported::yes));
    CHECK(all[1].supported == Supported::yes);
  }
}
