// The trace's file: what a writer writes is what a reader reads; what is damaged is told with file and offset.
#include <sys/resource.h>
#include <sys/stat.h>

#include "catch.hpp"
#include "written.hpp"

using namespace ashlar;
using namespace ashlar::trace;

TEST_CASE("A record is read as it was written, with its place and client") {
  const TempFolder folder;
  Written w(scratch(folder), {.run = 77});
  RecordEntry e = entry(5, 1000, 2000);
  e.entry.more = 3;
  e.flags = ASHLAR_FUA | ASHLAR_NOWAIT;
  e.result = EIO;
  e.tries = 2;
  e.marks = mark_told_nothing;
  w.add(e);
  REQUIRE(w.writer.flush());
  struct stat status {};
  REQUIRE(::stat(scratch(folder).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);

  Heard heard;
  FileReader reader(scratch(folder), heard);
  Record r;
  REQUIRE(reader.next(r));
  CHECK(r.run == 77);
  CHECK(r.id == 5);
  CHECK(r.connection == 1);
  CHECK(r.op == Op::write);
  CHECK(r.flags == (Flag::fua | Flag::nowait));
  CHECK(r.offset == 5 * 4096);
  CHECK(r.length == 4096);
  CHECK(r.start == 1000);
  CHECK(r.done == 2000);
  CHECK(r.sent == 2001);
  CHECK(r.result == EIO);
  CHECK(r.depth == 3);
  CHECK(r.tries == 2);
  CHECK(r.told_nothing);
  CHECK_FALSE(r.left_out);
  REQUIRE(r.place != nullptr);
  CHECK(r.place->tag == "above");
  CHECK(r.place->exported == "disk");
  CHECK(r.place->size == 1 << 20);
  CHECK(r.place->minimum == 512);
  REQUIRE(heard.clients.size() == 1);
  CHECK(heard.clients[0].texts.at("pid") == "7");
  CHECK_FALSE(reader.next(r));
  CHECK_FALSE(reader.completeness().ended);

  // What is written later is found by the same reader.
  w.add(entry(6, 3000, 4000));
  w.writer.end();
  REQUIRE(reader.next(r));
  CHECK(r.id == 6);
  CHECK_FALSE(reader.next(r));
  CHECK(reader.completeness().ended);
  CHECK(reader.completeness().whole());
  CHECK(heard.problems.empty());
}

TEST_CASE("Payloads are read as they were written") {
  const TempFolder folder;
  Written w(scratch(folder), {.data = true, .run = 1});
  std::vector<std::byte> data(100'001, std::byte{7});
  data.back() = std::byte{9};
  RecordEntry e = entry(1, 1, 2);
  e.length = data.size();
  e.payload = static_cast<std::uint8_t>(PayloadKind::data);
  w.add(e, data);
  RecordEntry hashed = entry(2, 3, 4);
  hashed.offset = 4000;
  hashed.length = 200;  // of two blocks
  hashed.payload = static_cast<std::uint8_t>(PayloadKind::hash);
  const std::uint64_t hashes[] = {1, UINT64_MAX};
  w.add(hashed, std::as_bytes(std::span(hashes)));
  w.writer.end();

  Heard heard;
  FileReader reader(scratch(folder), heard);
  const auto records = all_of(reader);
  REQUIRE(ids(records) == from_to(1, 2));
  std::vector<std::byte> bytes;
  reader.payload(records[0], bytes);
  CHECK(bytes == data);
  reader.payload(records[1], bytes);
  REQUIRE(bytes.size() == sizeof hashes);
  CHECK(std::memcmp(bytes.data(), hashes, sizeof hashes) == 0);
  CHECK(heard.problems.empty());
}

TEST_CASE("A file that is cut off anywhere is read up to there, and the place is told") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  {
    Written w(path, {.run = 1});
    for (std::uint64_t id = 1; id <= 10; ++id) w.add(entry(id, id, id + 1));
    REQUIRE(w.writer.flush());
  }
  const auto size = std::filesystem::file_size(path);
  // Back from the end through three records.
  for (std::uint64_t cut = 1; cut <= 3 * sizeof(RecordEntry); ++cut) {
    std::filesystem::resize_file(path, size - cut);
    Heard heard;
    FileReader reader(path, heard);
    const std::uint64_t lost = (cut + sizeof(RecordEntry) - 1) / sizeof(RecordEntry);
    const auto read = ids(all_of(reader));
    const std::string at =
        path + ": offset " + std::to_string(size - lost * sizeof(RecordEntry)) + ": the file ends within an entry";
    const bool between = cut % sizeof(RecordEntry) == 0;
    if (read != from_to(1, 10 - lost) || heard.problems.size() != (between ? 0 : 1) ||
        (!between && !heard.problems[0].starts_with(at)))
      FAIL("cut by " << cut);
  }
}

TEST_CASE("A byte that has changed is found, told with its entry's offset, and what is before it is read") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  {
    Written w(path, {.run = 1});
    for (std::uint64_t id = 1; id <= 10; ++id) w.add(entry(id, id, id + 1));
    w.writer.end();
  }
  const auto size = std::filesystem::file_size(path);
  const auto sixth = size - sizeof(InfoEntry) - 5 * sizeof(RecordEntry);
  put_at(path, sixth + 40, "x");
  Heard heard;
  FileReader reader(path, heard);
  CHECK(ids(all_of(reader)) == from_to(1, 5));
  CHECK(reader.completeness().broken);
  REQUIRE(heard.problems.size() == 1);
  CHECK(heard.problems[0].starts_with(path + ": offset " + std::to_string(sixth) + ": the check of an entry"));
}

TEST_CASE("A long record is read and checked as a whole") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  std::vector<std::byte> data((3 << 20) + 512);
  for (std::size_t at = 0; at != data.size(); ++at) data[at] = static_cast<std::byte>(at * 7 >> 3);
  {
    Written w(path, {.data = true, .run = 1});
    RecordEntry long_one = entry(1, 1, 2);
    long_one.length = data.size();
    long_one.payload = static_cast<std::uint8_t>(PayloadKind::data);
    w.add(long_one, data);
    w.add(entry(2, 3, 4));
    w.writer.end();
  }
  Heard heard;
  SECTION("whole") {
    FileReader reader(path, heard);
    const auto records = all_of(reader);
    CHECK(ids(records) == from_to(1, 2));
    std::vector<std::byte> bytes;
    reader.payload(records.at(0), bytes);
    CHECK(bytes == data);
    CHECK(heard.problems.empty());
  }
  SECTION("a byte far behind its beginning is another one") {
    put_at(path, 3 << 20, "xy");
    FileReader reader(path, heard);
    CHECK(all_of(reader).empty());
    REQUIRE(heard.problems.size() == 1);
    CHECK(heard.problems[0].find(": the check of an entry does not fit") != std::string::npos);
  }
  SECTION("it is cut off") {
    std::filesystem::resize_file(path, 2 << 20);
    FileReader reader(path, heard);
    CHECK(all_of(reader).empty());
    REQUIRE(heard.problems.size() == 1);
    CHECK(heard.problems[0].find(": the file ends within an entry") != std::string::npos);
  }
}

TEST_CASE("The size of an entry has no more memory taken than an entry can need") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  {
    Written w(path, {.max_size = std::uint64_t{8} << 30, .run = 1});
    w.add(entry(1, 1, 2));
    REQUIRE(w.writer.flush());
  }
  const std::uint64_t at = std::filesystem::file_size(path);
  std::filesystem::resize_file(path, std::uint64_t{1} << 30);
  EntryHeader damaged{};
  damaged.size = 640 << 20;
  const char* told = "";
  SECTION("of a record") {
    damaged.type = static_cast<std::uint16_t>(EntryType::record);
    told = "this is no entry";
  }
  SECTION("of texts") {
    damaged.type = static_cast<std::uint16_t>(EntryType::client);
    told = "this is no entry";
  }
  SECTION("of a type that is not known") {
    damaged.type = 99;
    told = "the check of an entry does not fit";
  }
  put_at(path, at, std::string(reinterpret_cast<const char*>(&damaged), sizeof damaged));
  const auto taken = [] {
    rusage usage{};
    REQUIRE(::getrusage(RUSAGE_SELF, &usage) == 0);
    return usage.ru_maxrss;  // KiB
  };
  const auto before = taken();
  Heard heard;
  FileReader reader(path, heard);
  CHECK(ids(all_of(reader)) == from_to(1, 1));
  CHECK(taken() - before < 256 << 10);
  REQUIRE(heard.problems.size() == 1);
  CHECK(heard.problems[0].starts_with(path + ": offset " + std::to_string(at) + ": " + told));
}

TEST_CASE("Where memory is not enough is told with file and offset") {
  struct Full : Listener {
    void client(const Client&) override { throw std::bad_alloc(); }
  } full;
  const TempFolder folder;
  const std::string path = scratch(folder);
  {
    Written w(path, {.run = 1});
    w.add(entry(1, 1, 2));
    w.writer.end();
  }
  FileReader reader(path, full);
  try {
    all_of(reader);
    FAIL("it is read");
  } catch (const TraceError& e) {
    CHECK_THAT(e.what(), Catch::Matchers::Matches(path + R"(: offset \d+: there is not enough memory to go on)"));
  }
}

TEST_CASE("What is no trace is refused with file and offset") {
  const TempFolder folder;
  Heard heard;
  const auto refused = [&](const std::string& path) {
    try {
      FileReader reader(path, heard);
      return std::string("it is read");
    } catch (const TraceError& e) {
      return std::string(e.what());
    }
  };
  const std::string garbage = folder.write("garbage", std::string(10'000, 'g')).string();
  CHECK(refused(garbage) == garbage + ": offset 0: this is no trace: no segment of one begins here");
  const std::string empty = folder.write("empty", "").string();
  CHECK(refused(empty) == empty + ": the file is empty");
  const std::string none = (folder.path() / "none").string();
  CHECK(refused(none) == none + ": No such file or directory");
}

// A terabyte that is looked through step by step takes longer than any test may.
TEST_CASE("Holes of the file are passed over, wherever they are") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  constexpr std::uint64_t tera = std::uint64_t{1} << 40;
  for (const std::uint64_t run : {1, 2}) {
    Written w(path, {.append = true, .max_size = 8 * tera, .run = run});
    w.add(entry(run, run, run + 1));
    w.writer.end();
  }
  std::filesystem::resize_file(path, 15 * tera);
  const auto break_at = [&](std::uint64_t offset) {
    return path + ": offset " + std::to_string(offset) + ": no segment begins here";
  };
  Heard heard;
  SECTION("behind the last segment") {
    FileReader reader(path, heard);
    CHECK(ids(all_of(reader)) == from_to(1, 2));
    CHECK(heard.problems == std::vector{break_at(tera)});
  }
  SECTION("behind a header that is damaged") {
    put_at(path, 0, "x");
    FileReader reader(path, heard);
    CHECK(ids(all_of(reader)) == from_to(2, 2));
    CHECK(heard.problems == std::vector{break_at(0), break_at(tera)});
    CHECK(reader.completeness().broken);
  }
}

TEST_CASE("With a limit the oldest segments are written over and the newest records are read in order") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  const std::uint64_t n = 20'000;
  Written w(path, {.max_size = 1 << 20, .run = 1});
  for (std::uint64_t id = 1; id <= n; ++id) w.add(entry(id, id, id + 1));
  REQUIRE(w.writer.flush());
  CHECK(std::filesystem::file_size(path) <= 1 << 20);
  Heard heard;
  FileReader reader(path, heard);
  const auto read = ids(all_of(reader));
  REQUIRE(!read.empty());
  CHECK(read == from_to(read.front(), n));
  CHECK(read.size() * sizeof(RecordEntry) > (1 << 20) * 6 / 8);  // but the segment that is written over
  CHECK(reader.completeness().beginning_lost);
  CHECK_FALSE(reader.completeness().broken);
  CHECK(heard.problems.empty());
  CHECK(heard.clients.size() == 1);
  // Nothing of what the segment held before shows behind what is written now, wherever that ends.
  for (std::uint64_t id = n + 1; id <= n + 2000; ++id) {
    w.add(entry(id, id, id + 1));
    if (id % 37 != 0) continue;
    REQUIRE(w.writer.flush());
    Heard again;
    FileReader other(path, again);
    const auto now = ids(all_of(other));
    if (now != from_to(now.front(), id) || !again.problems.empty()) FAIL("at " << id);
  }
}

TEST_CASE("A reader that is overtaken by the writer says so and goes on with what is there") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  Written w(path, {.max_size = 4 << 20, .run = 1});
  std::uint64_t id = 1;
  for (; id <= 30'000; ++id) w.add(entry(id, id, id + 1));
  REQUIRE(w.writer.flush());
  Heard heard;
  FileReader reader(path, heard);
  Record r;
  REQUIRE(reader.next(r));
  for (; id <= 90'000; ++id) w.add(entry(id, id, id + 1));
  REQUIRE(w.writer.flush());
  std::uint64_t last = r.id;
  while (reader.next(r)) {
    if (r.id <= last) FAIL("record " << r.id << " behind " << last);
    last = r.id;
  }
  CHECK(last == 90'000);
  CHECK(reader.completeness().broken);
  CHECK(!heard.problems.empty());
}

TEST_CASE("A reader of a trace that is begun anew reads nothing of the other run") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  constexpr std::uint64_t other = 1'000'000;  // ids from here on are of the other run
  const auto write = [&path](std::uint64_t run, std::uint64_t first, std::uint64_t count, std::uint64_t max_size) {
    Written w(path, {.max_size = max_size, .run = run});
    for (std::uint64_t id = first; id < first + count; ++id) w.add(entry(id, id, id + 1));
    w.writer.end();
  };
  struct Case {
    std::uint64_t max_size, count, count_of_other;
  };
  for (const auto& [max_size, count, count_of_other] :
       {Case{0, 30'000, 90'000},                         // of several reads
        Case{FileWriter::least_max_size, 500, 1500},     // of two segments
        Case{FileWriter::least_max_size, 500, 15'000}})  // the other is written over, too
    for (const bool has_begun : {false, true}) {
      write(1, 1, count, max_size);
      Heard heard;
      FileReader reader(path, heard);
      Record r;
      if (has_begun) REQUIRE(reader.next(r));
      write(2, other, count_of_other, max_size);
      std::uint64_t last = 1;
      while (reader.next(r)) {
        if (r.run != 1 || r.id >= other) FAIL("record " << r.id << " of run " << r.run);
        last = r.id;
      }
      CHECK(last < count);
      CHECK(reader.completeness().broken);
      CHECK_FALSE(reader.completeness().ended);
      REQUIRE_FALSE(heard.problems.empty());
      CHECK(heard.problems.front().find("the segment was written over while it was read") != std::string::npos);
    }
}

TEST_CASE("Without append a trace is begun anew, and what is no trace is left alone") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  for (const std::uint64_t run : {1, 2}) {
    Written w(path, {.run = run});
    w.add(entry(run, 1, 2));
    w.writer.end();
  }
  Heard heard;
  FileReader reader(path, heard);
  CHECK(ids(all_of(reader)) == from_to(2, 2));

  const std::string image = folder.write("disk.img", "not to be lost").string();
  CHECK_THROWS_AS(FileWriter(image, {.run = 1}), std::invalid_argument);
  CHECK(unfit(image, {}).find("is no trace") != std::string::npos);
  CHECK(std::filesystem::file_size(image) == 14);
  CHECK(unfit(path, {.append = true}).empty());
  CHECK(unfit(path, {.append = true, .max_size = 1 << 20}).empty());  // small enough for it
  const auto size = std::filesystem::file_size(path);
  {
    FileWriter other(path, {.max_size = 1 << 20, .run = 3});
    CHECK(std::filesystem::file_size(path) == size);  // as there is nothing to write
    CHECK(other.lost(0, 1));
    CHECK(other.flush());
  }
  CHECK(unfit(path, {.append = true, .max_size = 1 << 20}).empty());
  CHECK(unfit(path, {.append = true, .max_size = 1 << 19}).find("another max_size") != std::string::npos);
  CHECK(unfit((folder.path() / "none" / "x").string(), {}).find("No such file") != std::string::npos);
  CHECK(unfit((folder.path() / "x").string(), {}).empty());
}

TEST_CASE("A trace of another version is left alone, with append, too") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  {
    Written w(path, {.run = 1});
    w.add(entry(1, 1, 2));
    w.writer.end();
  }
  const std::uint64_t size = std::filesystem::file_size(path);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  SegmentHeader header = header_at(fd, 0).value();
  ::close(fd);
  header.version = 2;
  header.check = check_of(header);
  put_at(path, 0, std::string(reinterpret_cast<const char*>(&header), sizeof header));
  for (const bool append : {false, true}) {
    CHECK(unfit(path, {.append = append}).find("has format 2, where this program writes 1") != std::string::npos);
    CHECK_THROWS_AS(FileWriter(path, {.append = append, .run = 2}), std::invalid_argument);
  }
  CHECK(std::filesystem::file_size(path) == size);
}

TEST_CASE("A file that was there becomes its owner's alone") {
  const TempFolder folder;
  for (const bool append : {true, false}) {
    { const FileWriter before(scratch(folder), {.run = 1}); }
    REQUIRE(::chmod(scratch(folder).c_str(), 0644) == 0);
    const FileWriter writer(scratch(folder), {.append = append, .run = 2});
    struct stat status {};
    REQUIRE(::stat(scratch(folder).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(writer.why_readable() == 0);
  }
}

TEST_CASE("Two cannot write one file") {
  const TempFolder folder;
  const Written first(scratch(folder), {.run = 1});
  CHECK_THROWS_AS(FileWriter(scratch(folder), {.run = 1}), std::invalid_argument);
}
