// The filter trace over a model disk: what it records of what it is asked.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <thread>

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
