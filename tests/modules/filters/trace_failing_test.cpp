// The filter trace when its file cannot be made or begun: that is over some time, and until then the export goes on, or
// with when_full = "wait" its requests wait and none is lost.
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "../../unit/full_disk.hpp"
#include "no_inode.hpp"
#include "run.hpp"
#include "traced.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace ashlar::trace;

namespace {

template <class What>
void wait_until(What&& what) {
  for (int i = 0; i != 6000 && !what(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

}  // namespace

TEST_CASE("a trace for which no inode is left keeps no server from starting, and is made when there is one") {
  for (const bool waits : {false, true}) {
    const Folder folder;
    FakeHost host;
    ModelDisk disk(8192);
    {
      const Traced layer(host, {{"path", folder.trace()}, {"when_full", waits ? "wait" : "drop"}});
      NoInode none;
      layer.begin_serving();
      CHECK(host.said(waits ? "requests wait until it can" : "requests are not recorded until that is over"));
      const auto device = layer.open_over(disk);
      for (std::uint64_t id = 1; id <= 3; ++id) CHECK(ask(*device, Io(Op::flush, 0, 0), id).ok());
      none.end();
      wait_until([&folder] { return std::filesystem::exists(folder.trace()); });
      CHECK(ask(*device, Io(Op::flush, 0, 0), 4).ok());
    }
    Heard heard;
    FileReader reader(folder.trace(), heard);
    const std::size_t records = all_of(reader).size();
    CHECK(records + reader.completeness().dropped == 4);
    if (waits) CHECK(records == 4);
    CHECK(reader.completeness().ended);
    CHECK(heard.problems.empty());
  }
}

TEST_CASE("a layer that waits for an inode ends when it is told to, and says what it lost") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  {
    const NoInode none;  // to the layer's end
    const Traced layer(host, {{"path", folder.trace()}, {"when_full", "wait"}});
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    for (std::uint64_t id = 1; id <= 3; ++id) CHECK(ask(*device, Io(Op::flush, 0, 0), id).ok());
  }
  CHECK(host.said("ends; 3 requests have no record"));
}

TEST_CASE("of clients that have gone while a trace waits for its disk no more than 64 MiB are kept") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(1 << 20);
  const Bytes bytes = bytes_of(1 << 20, 7);
  {
    const Traced layer(host, {{"path", folder.trace()}, {"payload", "data"}, {"when_full", "wait"}});
    NoInode none;
    layer.begin_serving();
    std::uint64_t id = 0;
    for (int client = 0; client != 5; ++client) {
      const auto device = layer.open_over(disk);
      for (int i = 0; i != 20; ++i) CHECK(ask(*device, Io::write(0, bytes), ++id).ok());
    }
    wait_until([&host] { return host.metrics().value("requests_dropped") == 40; });
    none.end();
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  CHECK(all_of(reader).size() == 60);
  CHECK(reader.completeness().dropped == 40);
  CHECK(heard.problems.empty());
}

TEST_CASE("trace waits, when it is told to, also for the disk that does not let it begin its run") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  {
    Written killed(folder.trace(),
                   {.run = 7});  // its segment is to become smaller first, for which its header is written
    killed.add(entry(1, 1, 2));
    REQUIRE(killed.writer.flush());
  }
  const auto runs = [&folder] {
    Heard heard;
    FileReader reader(folder.trace(), heard);
    return runs_of(reader);
  };
  {
    const Traced layer(host, {{"path", folder.trace()}, {"append", "true"}, {"max_size", "0"}, {"when_full", "wait"}});
    FullDisk full(0);
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 1).ok());
    wait_until([&host] { return host.said("cannot write to"); });
    full.end();
    CHECK(host.said("requests wait until it can"));
    wait_until([&] { return host.said("requests are not recorded") || runs().size() == 2; });
  }
  CHECK(runs() == std::vector<std::uint64_t>{7, this_run()});
}

TEST_CASE("a trace that is moved away while its next run waits for the disk is left alone") {
  const Folder folder;
  const std::string aside = (folder.path() / "aside").string();
  FakeHost host;
  ModelDisk disk(8192);
  {
    Written killed(folder.trace(), {.run = 7});
    killed.add(entry(1, 1, 2));
    REQUIRE(killed.writer.flush());
  }
  const auto runs_in = [](const std::string& path) {
    Heard heard;
    FileReader reader(path, heard);
    const std::vector<std::uint64_t> runs = runs_of(reader);
    CHECK(reader.completeness().dropped == 0);
    return runs;
  };
  {
    const Traced layer(host, {{"path", folder.trace()}, {"append", "true"}, {"max_size", "0"}, {"when_full", "wait"}});
    FullDisk full(0);
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 1).ok());
    wait_until([&host] { return host.said("cannot write to"); });
    std::filesystem::rename(folder.trace(), aside);
    wait_until([&folder] { return std::filesystem::exists(folder.trace()); });
    full.end();
    wait_until([&folder] { return std::filesystem::file_size(folder.trace()) != 0; });
  }
  CHECK(runs_in(aside) == std::vector<std::uint64_t>{7});
  CHECK(runs_in(folder.trace()) == std::vector<std::uint64_t>{this_run()});
}
