// The filter trace over a model disk: what it records of what it is asked.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <thread>

#include "kept.hpp"
#include "last_patience.hpp"
#include "run.hpp"
#include "traced.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace ashlar::trace;

TEST_CASE("in the smallest file there is, a payload that fits is kept and a longer one is left out") {
  for (const std::string payload : {"data", "hash"}) {
    const Folder folder;
    FakeHost host;
    ModelDisk disk(32 << 20);
    const auto long_one = bytes_of(payload == "data" ? 64 << 10 : 16 << 20, 1);
    {
      const Traced layer(host, {{"path", folder.trace()}, {"max_size", "256K"}, {"payload", payload}});
      const auto device = layer.open_over(disk);
      CHECK(ask(*device, Io::write(0, long_one), 1).ok());
      CHECK(ask(*device, Io::write(4096, bytes_of(4096, 2)), 2).ok());
    }
    Heard heard;
    FileReader reader(folder.trace(), heard);
    const auto records = all_of(reader);
    CHECK(heard.problems.empty());
    REQUIRE(ids(records) == std::vector<std::uint64_t>{1, 2});
    CHECK(records[0].left_out);
    CHECK(records[0].payload == PayloadKind::none);
    CHECK_FALSE(records[1].left_out);
    CHECK(records[1].payload == (payload == "data" ? PayloadKind::data : PayloadKind::hash));
  }
}

TEST_CASE("trace makes no file before a client comes, and none for a layer that is opened on trial") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  {
    const TestLayer layer(own_module(), host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    CHECK(device->flush().ok());
  }
  CHECK_FALSE(std::filesystem::exists(folder.trace()));
}

TEST_CASE("trace records what a verb of a layer above asks, and of a trial nothing, also while it serves") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io::write(0, bytes_of(512, 1)), 1).ok());
    CHECK(layer.open_over(disk, ASHLAR_OPEN_ON_TRIAL)->flush().ok());
    CHECK(layer.open_over(disk, ASHLAR_OPEN_FOR_VERB)->write(4096, bytes_of(1024, 2)).ok());
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  const auto records = all_of(reader);
  CHECK(heard.problems.empty());
  REQUIRE(ids(records) == std::vector<std::uint64_t>{1, 0});
  CHECK(records[0].connection == somebody.number);
  CHECK(records[1].connection == 0);
  CHECK(records[1].op == Op::write);
  CHECK(records[1].length == 1024);
  CHECK(records[1].sent == records[1].done);
}

TEST_CASE("trace refuses a path that cannot be written, and values that cannot be") {
  const Folder folder;
  FakeHost host;
  const auto refused = [&](const Given& given) {
    try {
      const TestLayer layer(own_module(), host, given);
      return std::string();
    } catch (const Refused& e) {
      return std::string(e.what());
    }
  };
  CHECK(refused({{"path", "/none/there/t"}}).find("No such file") != std::string::npos);
  const std::string image = folder.write("disk.img", "an image").string();
  CHECK(refused({{"path", image}}).find("is no trace") != std::string::npos);
  CHECK(refused({{"path", folder.trace()}, {"max_size", "1K"}}).find("too small") != std::string::npos);
  CHECK(refused({{"path", folder.trace()}}).empty());
}

TEST_CASE("trace records what is asked, by whom, and what came of it") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  disk.fail(Op::zero, Status::no_space());
  {
    const Traced layer(host, {{"path", folder.trace()}, {"tag", "above"}});
    const auto device = layer.open_over(disk);
    const ashlar_replied& replied = told(*device);
    CHECK(ask(*device, Io::write(4096, bytes_of(512, 1), Flag::fua), 1).ok());
    replied.replied(replied.self, 1, 0);
    CHECK(ask(*device, Io(Op::zero, 1, 2, Flag::may_trim), 2) == Status::no_space());
    replied.replied(replied.self, 2, ECONNABORTED);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 3).ok());  // its reply is not told of
    CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());  // of no client's request
    replied.replied(replied.self, 77, 0);              // never came here
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  auto records = all_of(reader);
  REQUIRE(records.size() == 4);
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.start < b.start; });
  CHECK(records[0].op == Op::write);
  CHECK(records[0].flags == Flag::fua);
  CHECK(records[0].offset == 4096);
  CHECK(records[0].length == 512);
  CHECK(records[0].connection == 5);
  CHECK(records[0].start <= records[0].done);
  CHECK(records[0].done <= records[0].sent);
  CHECK(records[1].result == ENOSPC);
  CHECK(records[1].sent == 0);
  CHECK(records[1].told_nothing);
  CHECK(records[2].id == 3);
  CHECK(records[2].sent == 0);
  CHECK_FALSE(records[2].told_nothing);
  CHECK(records[3].id == 0);
  CHECK(records[0].place->tag == "above");
  CHECK(records[0].place->exported == "disk one");
  CHECK(records[0].place->size == 8192);
  REQUIRE(heard.clients.size() == 1);
  CHECK(heard.clients[0].texts.at("uid") == "1");
  CHECK(reader.completeness().ended);
  CHECK(reader.completeness().whole());
  CHECK(heard.problems.empty());
}

TEST_CASE("what waits to be asked again counts as under way for what comes meanwhile") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(16384);
  disk.geometry().flags |= Flag::nowait;
  disk.block_always();
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    const ashlar_replied& replied = told(*device);
    std::vector<std::byte> bytes(512);
    const auto read = [&](std::uint64_t id, Flags flags) { return ask(*device, Io::read(id * 512, bytes, flags), id); };
    for (std::uint64_t id = 1; id != 5; ++id) CHECK(read(id, Flag::nowait) == Status::would_block());
    CHECK(read(2, Flag::nowait) == Status::would_block());  // once more
    for (const std::uint64_t id : {2, 1}) CHECK(read(id, {}).ok());
    CHECK(read(5, Flag::nowait) == Status::would_block());  // behind what two others have left
    CHECK(read(6, {}).ok());                                // never tried: alone in the layer below
    for (const std::uint64_t id : {3, 4, 5}) CHECK(read(id, {}).ok());
    CHECK(read(7, Flag::nowait) == Status::would_block());
    CHECK(read(7, {}).ok());
    for (std::uint64_t id = 1; id != 8; ++id) replied.replied(replied.self, id, 0);
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  std::map<std::uint64_t, std::uint64_t> depth;
  for (const Record& record : all_of(reader)) depth[record.id] = record.depth;
  CHECK(depth == std::map<std::uint64_t, std::uint64_t>{{1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 2}, {6, 0}, {7, 0}});
}

TEST_CASE("replies that leave at different times have different times in the trace") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    const ashlar_replied& replied = told(*device);
    const auto flush = [&](std::uint64_t id) { CHECK(ask(*device, Io(Op::flush, 0, 0), id).ok()); };
    flush(1);
    flush(2);
    replied.replied(replied.self, 1, 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    replied.replied(replied.self, 2, 0);  // no request has been finished meanwhile
    flush(3);
    replied.replied(replied.self, 3, 0);
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  auto records = all_of(reader);
  REQUIRE(records.size() == 3);
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.id < b.id; });
  CHECK(records[1].sent - records[0].sent >= 30'000'000);
  CHECK(records[2].sent > records[2].done);
}

TEST_CASE("in the topmost layer, what comes together with another begins when that one was done") {
  for (const std::uint32_t place : {1U, 3U}) {
    const Folder folder;
    FakeHost host;
    ModelDisk disk(8192);
    disk.geometry().flags |= Flag::nowait;
    {
      const Traced layer(host, {{"path", folder.trace()}}, place);
      const auto device = layer.open_over(disk);
      const auto flush = [&](std::uint64_t id, Flags flags) {
        CHECK(ask(*device, Io(Op::flush, 0, 0, flags), id).ok());
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      };
      flush(1, Flag::nowait);
      flush(2, Flag::nowait);  // nobody tells of replies yet
      const ashlar_replied& replied = told(*device);
      flush(3, Flag::nowait);
      flush(4, Flag::nowait);
      flush(5, {});  // may wait
      replied.replied(replied.self, 4, 0);
      flush(6, Flag::nowait);
    }
    Heard heard;
    FileReader reader(folder.trace(), heard);
    auto records = all_of(reader);
    REQUIRE(records.size() == 6);
    std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.id < b.id; });
    for (std::size_t i = 1; i < records.size(); ++i) {
      const bool together = place == 1 && records[i].id == 4;
      INFO("place " << place << ", request " << records[i].id);
      CHECK((records[i].start == records[i - 1].done) == together);
    }
  }
}

TEST_CASE("the reply to a request that took much longer than others is not forgotten") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    const ashlar_replied& replied = told(*device);
    static_cast<void>(ask(*device, Io(Op::flush, 0, 0), 1));
    for (std::uint64_t id = 2; id < 10'000; ++id) {
      static_cast<void>(ask(*device, Io(Op::flush, 0, 0), id));
      replied.replied(replied.self, id, 0);
    }
    replied.replied(replied.self, 1, 0);
    static_cast<void>(ask(*device, Io(Op::flush, 0, 0), 1 + (1 << 14)));  // would have the same place as 1
    replied.replied(replied.self, 1 + (1 << 14), 0);
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  for (const Record& one : all_of(reader))
    if (one.id == 1) CHECK(one.sent >= one.done);
}

TEST_CASE("trace passes everything on, but for the lending of bytes that are to be kept") {
  const Folder folder;
  ModelDisk disk(8192);
  disk.geometry().flags = Flag::promises | Flag::shortcuts;
  for (const char* payload : {"none", "hash", "data"}) {
    FakeHost host;
    std::filesystem::remove(folder.trace());  // the same run goes on behind what is there
    const Traced layer(host, {{"path", folder.trace()}, {"payload", payload}});
    const auto device = layer.open_over(disk);
    const bool none = std::string_view(payload) == "none";
    CHECK(device->geometry().flags == (Flag::promises | (none ? Flag::shortcuts : Flag::nowait)));
    CHECK(ask(*device, Io::write(100, bytes_of(5000, 7)), 1).ok());
    Bytes into(5000);
    CHECK(ask(*device, Io::read(100, into), 2).ok());
    CHECK(into == bytes_of(5000, 7));
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  std::vector<std::byte> kept;
  for (const Record& one : all_of(reader)) {
    CHECK(one.payload == PayloadKind::data);
    reader.payload(one, kept);
    CHECK(kept == bytes_of(5000, 7));
  }
}

TEST_CASE("trace counts what finds no place, and goes on without") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old = ::signal(SIGXFSZ, SIG_IGN);
  struct rlimit full = before;
  full.rlim_cur = 4096;
  const auto lines = [&host] {
    std::size_t n = 0;
    for (const auto& line : host.lines()) n += line.text.find("cannot write to") != std::string::npos ? 1 : 0;
    return n;
  };
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &full) == 0);
    std::uint64_t id = 0;
    bool well = true;
    while (lines() == 0) {  // until the file is full
      for (int i = 0; i < 100; ++i) well &= ask(*device, Io(Op::flush, 0, 0), ++id).ok();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (int i = 0; i < 1000; ++i) well &= ask(*device, Io(Op::flush, 0, 0), ++id).ok();
    CHECK(well);
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  }
  ::signal(SIGXFSZ, old);
  CHECK(lines() == 1);
  Heard heard;
  FileReader reader(folder.trace(), heard);
  CHECK(all_of(reader).size() + reader.completeness().dropped >= 1100);
  CHECK(reader.completeness().dropped > 0);
  CHECK(heard.problems.empty());
}

namespace {

// Each record's run, by place in the file.
std::vector<std::uint64_t> runs_in(const std::string& path) {
  Heard heard;
  FileReader reader(path, heard);
  std::vector<std::uint64_t> runs;
  for (const Record& one : all_of(reader)) runs.push_back(one.run);
  CHECK(heard.problems.empty());
  return runs;
}

// Has a layer record one request; returns what it logs.
std::string trace_one(const Given& given) {
  FakeHost host;
  {
    ModelDisk disk(8192);
    const Traced layer(host, given);
    CHECK(ask(*layer.open_over(disk), Io(Op::flush, 0, 0), 0).ok());
  }
  std::string all;
  for (const auto& line : host.lines()) all += line.text + "\n";
  return all;
}

void write_one(const std::string& path, std::uint64_t run, bool ends) {
  Written w(path, {.run = run});
  w.add(entry(1, 1, 2));
  REQUIRE(w.writer.flush());
  if (ends) w.writer.end();
}

}  // namespace

TEST_CASE("trace begins a file anew over an ended run, but keeps that of a server that was killed") {
  const Folder folder;
  const std::string path = folder.trace();
  const auto in = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  write_one(path, 7, true);
  CHECK(trace_one({{"path", path}}).empty());
  CHECK(runs_in(path) == std::vector{this_run()});
  CHECK_FALSE(std::filesystem::exists(path + ".1"));
  for (const std::string& to : {path + ".1", path + ".2"}) {
    write_one(path, 7, false);
    CHECK(in(trace_one({{"path", path}}), "the trace that a server left when it died is in " + to));
    CHECK(runs_in(to) == std::vector<std::uint64_t>{7});
    CHECK(runs_in(path) == std::vector{this_run()});
  }
  // No more than ten are kept, and none of them is lost.
  for (int n = 3; n <= 10; ++n) std::filesystem::copy(path, path + "." + std::to_string(n));
  write_one(path, 7, false);
  CHECK(in(trace_one({{"path", path}}), "there are 10 files of \"" + path + "\": move them away"));
  CHECK(runs_in(path) == std::vector<std::uint64_t>{7});
}

TEST_CASE("a start that fails leaves what is in the file as it is") {
  const auto content = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  for (const char* append : {"false", "true"})
    for (const char* max_size : {"0", "1G"}) {
      INFO("append = " << append << ", max_size = " << max_size);
      const Folder folder;
      write_one(folder.trace(), 7, true);
      const std::string before = content(folder.trace());
      FakeHost host;
      {
        const Traced layer(host, {{"path", folder.trace()}, {"append", append}, {"max_size", max_size}});
        layer.begin_serving();
        CHECK((content(folder.trace()) == before));
      }  // and no client has come
      CHECK((content(folder.trace()) == before));
      CHECK(host.lines().empty());
    }
}

TEST_CASE("a trace that is moved away before a client comes is not written any more") {
  const Folder folder;
  const std::string saved = folder.trace() + ".saved";
  write_one(folder.trace(), 7, true);
  FakeHost host;
  ModelDisk disk(8192);
  {
    const Traced layer(host, {{"path", folder.trace()}});
    layer.begin_serving();
    std::filesystem::rename(folder.trace(), saved);
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 1).ok());
  }
  CHECK(runs_in(saved) == std::vector<std::uint64_t>{7});
  CHECK(runs_in(folder.trace()) == std::vector{this_run()});
}

TEST_CASE("a layer that waits for one which nobody has used begins the trace anew, as that one would have") {
  const Folder folder;
  write_one(folder.trace(), 7, true);
  FakeHost host, other;
  ModelDisk disk(8192);
  {
    auto first = std::make_unique<Traced>(host, Given{{"path", folder.trace()}});
    first->begin_serving();
    const Traced second(other, {{"path", folder.trace()}});
    second.begin_serving();
    first.reset();
    const auto device = second.open_over(disk);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 1).ok());
  }
  CHECK(runs_in(folder.trace()) == std::vector{this_run()});
}

TEST_CASE("of a trace behind a symbolic link the file is renamed, and the link stays") {
  const Folder folder, other;
  const std::string link = folder.trace(), real = other.trace();
  std::filesystem::create_symlink(real, link);
  write_one(real, 7, false);
  trace_one({{"path", link}});
  CHECK(std::filesystem::is_symlink(link));
  CHECK(runs_in(real) == std::vector{this_run()});
  CHECK(runs_in(real + ".1") == std::vector<std::uint64_t>{7});
}

TEST_CASE("what is there and cannot be read is not taken for nothing") {
  const Folder folder;
  const std::string path = folder.trace();
  write_one(path, 7, false);
  REQUIRE(what_is_in(path).has_records);
  CHECK_FALSE(what_is_in(path + ".1").has_records);
  SegmentHeader header{};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
  header.version = 2;
  header.check = check_of(header);
  put_at(path, 0, std::string(reinterpret_cast<const char*>(&header), sizeof header));
  std::string why;
  try {
    what_is_in(path);
  } catch (const std::invalid_argument& e) {
    why = e.what();
  }
  CHECK(why == "what is there is kept, as it cannot be read: " + path +
                   ": offset 0: this trace has format 2; this program reads 1");
}

TEST_CASE("trace that is made anew in the same run goes on behind what it has written") {
  const Folder folder;
  const std::string path = folder.trace();
  for (int n = 0; n != 2; ++n) CHECK(trace_one({{"path", path}}).empty());
  CHECK(runs_in(path) == std::vector<std::uint64_t>(2, this_run()));
  // In a file with another limit it cannot.
  CHECK_FALSE(trace_one({{"path", path}, {"max_size", "256K"}}).empty());
  CHECK(runs_in(path + ".1") == std::vector<std::uint64_t>(2, this_run()));
  CHECK(runs_in(path) == std::vector{this_run()});
}

TEST_CASE("trace goes on behind what another has written that had the file first") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  const FileWriter::Options same{.max_size = std::uint64_t{1} << 30, .run = 7};
  auto other = std::make_unique<Written>(folder.trace(), same);
  other->add(entry(1, 1, 2));
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    for (int i = 0; i != 6000 && !host.said("is being written by another"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    other->writer.end();
    other.reset();
    const auto records = [&folder] {
      Listener nobody;
      FileReader reader(folder.trace(), nobody);
      return all_of(reader).size();
    };
    for (int i = 0; i != 6000 && records() == 1; ++i) {
      CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  const auto runs = runs_in(folder.trace());
  REQUIRE(runs.size() > 1);
  CHECK(runs[0] == 7);
  CHECK(runs[1] == this_run());
}

namespace {

// Somebody else who writes the file of a layer that is made meanwhile.
struct Other {
  explicit Other(const std::string& path)
      : written(std::make_unique<Written>(path, FileWriter::Options{.max_size = std::uint64_t{1} << 30, .run = 7})) {
    written->add(entry(1, 1, 2));
  }
  void end() {
    written->writer.end();
    written.reset();
  }
  std::unique_ptr<Written> written;
};

}  // namespace

TEST_CASE("trace loses nothing while the layer before it ends, and says nothing") {
  for (const char* when_full : {"drop", "wait"}) {
    const Folder folder;
    FakeHost host;
    ModelDisk disk(8192);
    {
      Other other(folder.trace());
      const Traced layer(host, {{"path", folder.trace()}, {"when_full", when_full}});
      layer.begin_serving();  // the other has it
      const auto device = layer.open_over(disk);
      for (int i = 0; i != 5; ++i) CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());
      other.end();  // and all stops at once
    }
    CHECK(host.lines().empty());
    const std::vector<std::uint64_t> both{7, this_run(), this_run(), this_run(), this_run(), this_run()};
    CHECK(runs_in(folder.trace()) == both);
    CHECK_FALSE(std::filesystem::exists(folder.trace() + ".1"));
  }
}

TEST_CASE("trace has requests wait for the layer before it, when it is told to") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  constexpr std::uint64_t all = 40'000;  // more than a ring holds
  {
    Other other(folder.trace());
    const Traced layer(host, {{"path", folder.trace()}, {"when_full", "wait"}});
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    std::atomic<std::uint64_t> asked{0};
    std::thread asks([&] {
      for (std::uint64_t n = 0; n != all; ++n, ++asked) static_cast<void>(ask(*device, Io(Op::flush, 0, 0), 0));
    });
    while (asked < 1000) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    other.end();
    asks.join();
  }
  CHECK(runs_in(folder.trace()).size() == 1 + all);
}

TEST_CASE("trace counts in the file what it dropped while the layer before it had that") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  constexpr std::uint64_t all = 40'000;  // more than a ring holds
  {
    Other other(folder.trace());
    const Traced layer(host, {{"path", folder.trace()}});
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    for (std::uint64_t n = 0; n != all; ++n) static_cast<void>(ask(*device, Io(Op::flush, 0, 0), 0));
    other.end();
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  const std::size_t records = all_of(reader).size();
  CHECK(reader.completeness().dropped > 0);
  CHECK(records - 1 + reader.completeness().dropped == all);
  CHECK(reader.completeness().ended);
}

TEST_CASE("layers that stop one after the other wait for others' files no longer together than one of them would") {
  constexpr std::uint64_t second = 1'000'000'000;
  LastPatience patience;
  CHECK(patience.left(100 * second) == second);
  CHECK(patience.left(100 * second + second / 4) == second - second / 4);
  CHECK(patience.left(101 * second) == 0);
  CHECK(patience.left(105 * second) == 0);
  CHECK(patience.left(106 * second) == second);  // another stop
}
