// The trace's file when several runs write it.
#include "catch.hpp"
#include "written.hpp"

using namespace ashlar;
using namespace ashlar::trace;

TEST_CASE("A run is appended to what is there, also behind a file that was cut off") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  for (const std::uint64_t limit : {std::uint64_t{0}, std::uint64_t{1} << 20}) {
    std::filesystem::remove(path);
    {
      Written w(path, {.append = true, .max_size = limit, .run = 1});
      for (std::uint64_t id = 1; id <= 10; ++id) w.add(entry(id, id, id + 1));
      REQUIRE(w.writer.flush());
    }
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 5);
    {
      Written w(path, {.append = true, .max_size = limit, .run = 2});
      w.add(entry(1, 1, 2));
      w.writer.end();
    }
    {
      Written w(path, {.append = true, .max_size = limit, .run = 3});
      w.add(entry(1, 1, 2));
      w.writer.end();
    }
    Heard heard;
    FileReader reader(path, heard);
    const auto records = all_of(reader);
    REQUIRE(records.size() == 11);
    CHECK(records[8].run == 1);
    CHECK(records[9].run == 2);
    CHECK(records[10].run == 3);
    CHECK(heard.problems.size() == 1);  // the record that was cut off
    CHECK(reader.completeness().ended);
    CHECK_FALSE(reader.completeness().beginning_lost);
    if (limit == 0) CHECK(std::filesystem::file_size(path) < 3 * 4096);
  }
}

TEST_CASE("A file whose first runs were written over has lost its beginning") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  const std::uint64_t nearly_an_eighth = 350;
  for (std::uint64_t run = 1; run <= 9; ++run) {
    Written w(path, {.append = true, .max_size = FileWriter::least_max_size, .run = run});
    for (std::uint64_t id = 1; id <= nearly_an_eighth; ++id) w.add(entry(id, id, id + 1));
    w.writer.end();
    Heard heard;
    FileReader reader(path, heard);
    const auto records = all_of(reader);
    REQUIRE(records.size() == nearly_an_eighth * std::min<std::uint64_t>(run, 8));
    CHECK(records.front().run == (run == 9 ? 2 : 1));  // of which the beginning is there
    CHECK(reader.completeness().beginning_lost == (run == 9));
    CHECK(reader.completeness().whole() == (run != 9));
    CHECK(heard.problems.empty());
  }
}

TEST_CASE("Small runs share an eighth of a file with a limit, whether they have ended or not") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  constexpr std::uint64_t limit = std::uint64_t{1} << 20;
  std::uint64_t run = 0;
  const auto append = [&](std::uint64_t records) {
    Written w(path, {.append = true, .max_size = limit, .run = ++run});
    for (std::uint64_t id = 1; id <= records; ++id) w.add(entry(id, id, id + 1));
    REQUIRE(w.writer.flush());
    if (run % 2 == 0) w.writer.end();
  };
  for (int n = 0; n != 40; ++n) append(10);
  CHECK(std::filesystem::file_size(path) < limit / 4);
  {
    Heard heard;
    FileReader reader(path, heard);
    CHECK(all_of(reader).size() == 40 * 10);
    CHECK(reader.completeness().whole());
    CHECK(reader.completeness().killed == 20);
    CHECK(heard.problems.empty());
  }
  // Likewise once the file is full: behind each run stands what was there before.
  append(3 * limit / sizeof(RecordEntry));
  const std::uint64_t full = run;
  for (int n = 0; n != 20; ++n) append(10);
  CHECK(std::filesystem::file_size(path) <= limit);
  Heard heard;
  FileReader reader(path, heard);
  const auto records = all_of(reader);
  CHECK(records.size() > limit / sizeof(RecordEntry) * 6 / 8);
  std::uint64_t small = 0;
  for (const Record& one : records) small += one.run > full ? 1 : 0;
  CHECK(records.front().run == full);
  CHECK(small == 20 * 10);
  CHECK(reader.completeness().beginning_lost);
  CHECK_FALSE(reader.completeness().broken);
  CHECK(heard.problems.empty());
  // What is longer than the rest of an eighth goes to the next one.
  Written w(path, {.append = true, .max_size = limit, .data = true, .run = ++run});
  const std::vector<std::byte> data(100'000, std::byte{7});
  RecordEntry e = entry(1, 1, 2);
  e.length = data.size();
  e.payload = static_cast<std::uint8_t>(PayloadKind::data);
  w.add(e, data);
  w.writer.end();
  Heard again;
  FileReader other(path, again);
  const auto now = all_of(other);
  CHECK(now.back().run == run);
  CHECK_FALSE(other.completeness().broken);
  CHECK(other.completeness().ended);
  CHECK(again.problems.empty());
  CHECK(std::filesystem::file_size(path) <= limit);
}

TEST_CASE("A file of shared eighths is written over eighth by eighth") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  constexpr std::uint64_t limit = FileWriter::least_max_size;
  std::uint64_t n = 0;  // of the record
  for (std::uint64_t run = 1; run <= 100; ++run) {
    {
      Written w(path, {.append = true, .max_size = limit, .run = run});
      for (std::uint64_t records = run % 7 * 40 + 1; records != 0; --records, ++n) w.add(entry(n, n, n + 1));
      w.writer.end();
    }
    Heard heard;
    FileReader reader(path, heard);
    const auto read = ids(all_of(reader));
    REQUIRE(std::filesystem::file_size(path) <= limit);
    INFO("run " << run);
    REQUIRE(read == from_to(n - read.size(), n - 1));
    REQUIRE(reader.completeness().beginning_lost == (read.front() != 0));
    REQUIRE_FALSE(reader.completeness().broken);
    REQUIRE(heard.problems.empty());
  }
}

TEST_CASE("A limit goes on behind runs that had none, wherever they end") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  const auto append = [&](std::uint64_t limit, std::uint64_t run, std::uint64_t records) {
    Written w(path, {.append = true, .max_size = limit, .run = run});
    for (std::uint64_t id = 1; id <= records; ++id) w.add(entry(id, id, id + 1));
    w.writer.end();
  };
  for (std::uint64_t records = 240; records <= 350; records += 5) {  // up to an eighth
    std::filesystem::remove(path);
    append(0, 1, records);
    for (std::uint64_t run = 2; run != 5; ++run) {
      append(FileWriter::least_max_size, run, 10);
      Heard heard;
      FileReader reader(path, heard);
      CHECK(all_of(reader).size() == records + 10 * (run - 1));
      CHECK(reader.completeness().whole());
      CHECK(heard.problems.empty());
    }
  }
}

TEST_CASE("A run that has no end is a break unless another run comes behind it") {
  const TempFolder folder;
  const std::string path = scratch(folder);
  for (const std::uint64_t second : {1, 2}) {
    std::filesystem::remove(path);
    for (const std::uint64_t run : {std::uint64_t{1}, second}) {
      Written w(path, {.append = true, .run = run});
      w.add(entry(run, 1, 2));
      REQUIRE(w.writer.flush());
    }
    Heard heard;
    FileReader reader(path, heard);
    CHECK(all_of(reader).size() == 2);
    CHECK(reader.completeness().killed == (second == 2 ? 1 : 0));
    CHECK(reader.completeness().broken == (second == 1));
    CHECK(heard.problems.size() == (second == 1 ? 1 : 0));
    CHECK(reader.segments().back().index == (second == 1 ? 1 : 0));
  }
}
