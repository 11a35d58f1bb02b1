// Records in the order in which the requests came, of one file and of several, and what belongs together.
#include <algorithm>
#include <random>

#include "catch.hpp"
#include "format/trace_reader.hpp"
#include "written.hpp"

using namespace ashlar;
using namespace ashlar::trace;

TEST_CASE("Records come in the order of their start, however long a request took") {
  const TempFolder folder;
  const std::string path = (folder.path() / "t").string();
  std::mt19937_64 random(1);
  std::vector<RecordEntry> entries;
  for (std::uint64_t id = 1; id <= 3000; ++id) {
    const std::uint64_t start = id * 10;
    // Most are short, some take as long as hundreds of others, some as all of them.
    const std::uint64_t took = id % 97 == 0 ? 1'000'000 : id % 11 == 0 ? random() % 8000 : random() % 50;
    entries.push_back(entry(id, start, start + took));
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.done < b.done; });
  Written w(path, {.run = 1});
  for (const RecordEntry& e : entries) w.add(e);
  w.writer.end();
  for (const std::size_t window :
       {std::size_t{1}, std::size_t{16}, std::size_t{300}, std::size_t{3000}, std::size_t{5000}}) {
    Heard heard;
    OrderedReader reader(path, heard, window);
    Record r;
    std::uint64_t id = 0;
    while (reader.next(r)) {
      if (r.id != ++id) FAIL("window " << window << ": record " << r.id << " where " << id << " is due");
      const auto& places = reader.file().places();
      if (std::none_of(places.begin(), places.end(), [&r](const Place& one) { return &one == r.place; }))
        FAIL("window " << window << ": the place of record " << id << " is none of the reader's");
    }
    CHECK(id == 3000);
  }
}

TEST_CASE("A trace that is begun anew before it is read to its end gives nothing of the other run") {
  const TempFolder folder;
  const std::string path = (folder.path() / "t").string();
  constexpr std::uint64_t count = 30'000;  // more than is read at once
  const auto write = [&path](std::uint64_t run) {
    Written w(path, {.run = run});
    for (std::uint64_t id = 1; id <= count; ++id) w.add(entry(id, id % 1000 == 0 ? 0 : id, id + 1));
    w.writer.end();
  };
  for (const std::size_t window : {std::size_t{300}, std::size_t{count}}) {
    write(1);
    Heard heard;
    OrderedReader reader(path, heard, window);
    write(2);
    Record r;
    if (reader.next(r)) FAIL("record " << r.id << " of run " << r.run);
    CHECK(reader.file().completeness().broken);
    CHECK(heard.problems == std::vector{path + ": offset 72: the segment was written over while it was read"});
  }
}

TEST_CASE("What is read of a trace is given, also when the file is cut to nothing meanwhile") {
  // Cuts the file once something of it has been read.
  struct Cutting : Heard {
    explicit Cutting(std::string of) : path(std::move(of)) {}
    void read(std::uint64_t bytes) override {
      if (bytes != 0) REQUIRE(::truncate(path.c_str(), 0) == 0);
    }
    const std::string path;
  };
  const TempFolder folder;
  const std::string path = (folder.path() / "t").string();
  constexpr std::uint64_t count = 30'000;  // more than is read at once
  {
    Written w(path, {.run = 1});
    for (std::uint64_t id = 1; id <= count; ++id) w.add(entry(id, id, id + 1));
    w.writer.end();
  }
  Cutting cutting(path);
  OrderedReader reader(path, cutting, 300);
  Record r;
  std::uint64_t id = 0;
  while (reader.next(r))
    if (r.id != ++id) FAIL("record " << r.id << " where " << id << " is due");
  CHECK(id > 300);
  CHECK(id < count);
  CHECK(reader.file().completeness().broken);
  CHECK_FALSE(cutting.problems.empty());
}

TEST_CASE("Several traces are one, by run, start and id") {
  const TempFolder folder;
  const std::string above = (folder.path() / "above").string(), below = (folder.path() / "below").string();
  for (const std::uint64_t run : {20, 10}) {  // the first one has the greater number
    Written a(above, {.append = true, .run = run}, "above");
    Written b(below, {.append = true, .run = run}, "below");
    for (std::uint64_t id = 1; id <= 100; ++id) {
      const std::uint64_t start = (run == 20 ? 1'000'000 : 0) + id * 100;  // the machine's clock began anew
      RecordEntry e = entry(id, start, start + 90);
      a.add(e);
      if (id % 2 == 0) continue;  // spared
      for (const std::uint64_t part : {1, 2}) {
        e.start = start + part * 10;
        e.done = e.start + 5;
        b.add(e);
      }
    }
    a.writer.end();
    b.writer.end();
  }
  Heard heard;
  TraceReader reader({below, above, below}, heard);
  CHECK(reader.files() == 2);
  Joiner joiner(reader);
  std::vector<Record> group;
  std::size_t groups = 0;
  for (const std::uint64_t run : {20, 10})
    for (std::uint64_t id = 1; id <= 100; ++id, ++groups) {
      REQUIRE(joiner.next(group));
      const std::size_t wanted = id % 2 == 0 ? 1 : 3;
      if (group.size() != wanted || group[0].run != run || group[0].id != id || group[0].place->tag != "above")
        FAIL("request " << id << " of run " << run);
      for (std::size_t i = 1; i < group.size(); ++i)
        if (!group[i].same_request(group[0]) || group[i].place->tag != "below") FAIL("request " << id);
    }
  CHECK_FALSE(joiner.next(group));
  CHECK(reader.completeness().records == 400);
  CHECK(reader.completeness().whole());
  CHECK(reader.completeness().ended);
  CHECK(heard.problems.empty());
}

TEST_CASE("Of requests whose replies are not known to have left, only so many are waited for") {
  const TempFolder folder;
  const std::string path = (folder.path() / "disk.trace").string();
  constexpr std::uint64_t count = Joiner::most_open + 5000;
  Written w(path, {.run = 1});
  for (std::uint64_t id = 1; id <= count; ++id) {  // all within a second
    RecordEntry e = entry(id, id * 100, id * 100 + 50);
    e.sent = 0;
    w.add(e);
  }
  w.writer.end();
  Heard heard;
  TraceReader reader({path}, heard);
  std::uint64_t read = 0, given = 0, most = 0;
  Joiner joiner(reader, [&](const Record&) { most = std::max(most, ++read - given); });
  std::vector<Record> group;
  while (joiner.next(group)) given += group.size();
  CHECK(given == count);
  CHECK(most <= Joiner::most_open + 2);
}
