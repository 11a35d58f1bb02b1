// The trace's file on a disk that takes nothing more, or fails.
#include <sys/stat.h>

#include <new>
#include <optional>

#include "../full_disk.hpp"
#include "catch.hpp"
#include "written.hpp"

using namespace ashlar;
using namespace ashlar::trace;

TEST_CASE("What the disk does not take is counted, and told when it takes more again") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  Written w(path, {.run = 1});
  std::uint64_t id = 1;
  for (; id <= 10; ++id) w.add(entry(id, id, id + 1));
  REQUIRE(w.writer.flush());
  {
    FullDisk full(std::filesystem::file_size(path) + 100);  // the next record fits in, the one behind it does not
    for (; id <= 15; ++id) w.add(entry(id, id, id + 1));
    const bool flushed = w.writer.flush();
    full.end();
    CHECK_FALSE(flushed);
  }
  CHECK(w.writer.error() == EFBIG);
  const std::uint64_t lost = w.writer.take_lost();
  CHECK(lost == 5);
  w.writer.lost(0, lost);
  for (; id <= 20; ++id) w.add(entry(id, id, id + 1));
  w.writer.end();
  Heard heard;
  FileReader reader(path, heard);
  const auto read = ids(all_of(reader));
  CHECK(read.size() == 15);
  CHECK(reader.completeness().dropped == 5);
  CHECK(heard.problems.empty());
}

namespace {

bool disk_keeps_room(const TempFolder& folder) {
  const int probe = ::open((folder.path() / "probe").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const bool keeps = ::fallocate(probe, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
  ::close(probe);
  if (!keeps) WARN("the file system here keeps no room");
  return keeps;
}

std::uint64_t kept_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace

TEST_CASE("The disk keeps room for the end of a trace until that is written") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  if (!disk_keeps_room(folder)) return;
  constexpr std::uint64_t block = 4096, end = 100;
  for (const std::uint64_t max_size : {std::uint64_t{0}, FileWriter::least_max_size}) {
    Written w(path, {.max_size = max_size, .run = 1});
    const auto size = [&path] { return std::filesystem::file_size(path); };
    for (std::uint64_t id = 1; size() % block < block - end; ++id) {
      w.add(entry(id, id, id + 1));
      REQUIRE(w.writer.flush());
    }
    CHECK(kept_of(path) >= size() + end);
    w.writer.end();
  }
}

TEST_CASE("The disk keeps room for the end also in a place that is written over, of which it had kept less") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  if (!disk_keeps_room(folder)) return;
  constexpr std::uint64_t block = 4096, place = FileWriter::least_max_size / FileWriter::segments, end = 100;
  Written w(path, {.max_size = FileWriter::least_max_size, .run = 1});
  std::uint64_t id = 0;
  const auto add = [&] {
    ++id;
    w.add(entry(id, id, id + 1));
    REQUIRE(w.writer.flush());
  };
  // What stands in the first place is of a run that had used little of it.
  while (std::filesystem::file_size(path) < FileWriter::least_max_size - place / 2) add();
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  REQUIRE(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, block, place - block) == 0);
  const auto first = [fd] { return header_at(fd, 0).value(); };
  const std::uint64_t sequence = first().sequence;
  while (first().sequence == sequence) add();
  const std::uint64_t kept = kept_of(path);
  for (std::uint64_t used = 0; used < place / 2; add()) {
    used = end_of_entries(fd, first()).value();
    if (used % block < block - end) continue;
    CHECK(kept_of(path) >= kept + (used / block + 1) * block);
  }
  ::close(fd);
}

TEST_CASE("What the disk has taken of a record in part is cut off") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  {
    Written w(path, {.run = 1});
    for (std::uint64_t id = 1; id <= 10; ++id) w.add(entry(id, id, id + 1));
    REQUIRE(w.writer.flush());
    FullDisk full(std::filesystem::file_size(path) + 20);
    w.add(entry(11, 11, 12));
    const bool flushed = w.writer.flush();
    w.writer.end();  // the disk is full to the end
    full.end();
    CHECK_FALSE(flushed);
  }
  Heard heard;
  FileReader reader(path, heard);
  CHECK(ids(all_of(reader)) == from_to(1, 10));
  CHECK_FALSE(reader.completeness().broken);
  CHECK(heard.problems.empty());
}

TEST_CASE("A record that is not taken, as memory runs out, is left to who gave it") {
  const TempFolder folder;
  Written w(scratch(folder), {.run = 1, .again = [](int) -> bool { throw std::bad_alloc(); }});
  std::uint64_t taken = 0;
  {
    const FullDisk full(std::filesystem::file_size(scratch(folder)));
    CHECK_THROWS_AS(
        [&] {
          for (;; ++taken) w.add(entry(taken + 1, 1, 2));
        }(),
        std::bad_alloc);
  }
  w.writer.forget();
  CHECK(taken > 1000);
  CHECK(w.writer.take_lost() == taken);
}

namespace {

// A file with a limit whose disk takes no more than limit_to() says, until a write has failed.
struct Limited {
  void limit_to(rlim_t bytes) { full.emplace(bytes); }
  void add() {
    ++id;
    written.add(entry(id, id, id + 1));
  }
  // Until the last of its places is written, and the first one is begun anew, but not written yet.
  void fill() {
    constexpr std::uint64_t place = FileWriter::least_max_size / FileWriter::segments;
    while (std::filesystem::file_size(path) < FileWriter::least_max_size - place / 2) add();
  }

  const TempFolder folder;
  const std::string path = scratch(folder);
  std::optional<FullDisk> full;
  std::uint64_t id = 0;
  Written written{path, {.max_size = FileWriter::least_max_size, .run = 1, .again = [this](int) {
                           full.reset();
                           return false;
                         }}};
};

}  // namespace

TEST_CASE("What the disk has taken in part of a place that is written over is not read, as it is counted") {
  Limited file;
  file.fill();
  REQUIRE(file.written.writer.flush());
  for (int i = 0; i != 10; ++i) file.add();
  file.limit_to(1000);  // some of them fit in
  SECTION("and more comes") {
    CHECK_FALSE(file.written.writer.flush());
    CHECK(file.written.writer.take_lost() == 10);
    file.written.writer.end(10);
  }
  SECTION("and the server is killed") { CHECK_FALSE(file.written.writer.flush()); }
  SECTION("at the end") { file.written.writer.end(); }
  Heard heard;
  FileReader reader(file.path, heard);
  const auto read = ids(all_of(reader));
  REQUIRE_FALSE(read.empty());
  CHECK(read == from_to(read.front(), file.id - 10));
  CHECK(reader.completeness().dropped == (reader.completeness().ended ? 10 : 0));
  CHECK(heard.problems.empty());
}

TEST_CASE("When the disk takes the beginning of a segment in part at the end, what is lost is counted once") {
  Limited file;
  file.fill();
  file.limit_to(360);  // the header, the record that found no room before, and how many are lost
  file.written.writer.end(5);
  Heard heard;
  FileReader reader(file.path, heard);
  const auto read = ids(all_of(reader));
  REQUIRE_FALSE(read.empty());
  CHECK(read == from_to(read.front(), file.id - 1));
  CHECK(reader.completeness().dropped == 6);
  CHECK(reader.completeness().ended);
  CHECK(heard.problems.empty());
}
