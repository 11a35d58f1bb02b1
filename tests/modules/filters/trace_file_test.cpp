// The filter trace and its file: what it does with what is there, and with who else writes it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <thread>

#include "kept.hpp"
#include "last_patience.hpp"
#include "other_host.hpp"
#include "run.hpp"
#include "traced.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace ashlar::trace;

namespace {

// Each record's run, by place in the file.
std::vector<std::uint64_t> runs_in(const std::string& path) {
  Heard heard;
  FileReader reader(path, heard);
  const std::vector<std::uint64_t> runs = runs_of(reader);
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

TEST_CASE("a layer that stops waits for who has its file") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  last_patience.set_most(600'000'000'000);  // only a hang takes as long
  Other other(folder.trace());
  std::atomic<bool> stopped{false}, waited{false};
  std::thread ends;
  {
    const Traced layer(host, {{"path", folder.trace()}});
    layer.begin_serving();  // the other has it
    CHECK(ask(*layer.open_over(disk), Io(Op::flush, 0, 0), 0).ok());
    ends = std::thread([&] {
      while (!stopped && !waited) {
        waited = last_patience.is_waiting();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      other.end();
    });
  }
  stopped = true;
  ends.join();
  last_patience.set_most(LastPatience::usual);
  CHECK(waited);
  CHECK_FALSE(last_patience.is_waiting());
  Heard heard;
  FileReader reader(folder.trace(), heard);
  const std::size_t records = all_of(reader).size();
  CHECK(records + reader.completeness().dropped == 2);
  CHECK(reader.completeness().ended);
}

TEST_CASE("a layer that finds while it stops that somebody has its file waits for them once") {
  // While its log tells of the file that is moved away, somebody makes another there, and the layer is told to stop.
  struct Host final : OtherHost {
    explicit Host(std::string of) : path(std::move(of)) {}
    void log(std::uint32_t level, const char* text, std::size_t length) noexcept override {
      OtherHost::log(level, text, length);
      if (!fake().said("a server left when it died") || other != nullptr) return;
      other = std::make_unique<Other>(path);
      is_taken = true;
      while (!stops) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const std::string path;
    std::unique_ptr<Other> other;
    std::atomic<bool> is_taken{false}, stops{false};
  };
  const Folder folder;
  Host host(folder.trace());
  ModelDisk disk(8192);
  {
    Written killed(folder.trace(), {.run = 7});
    killed.add(entry(1, 1, 2));
    REQUIRE(killed.writer.flush());
  }
  {
    const Traced layer(host.services(), {{"path", folder.trace()}});
    CHECK(ask(*layer.open_over(disk), Io(Op::flush, 0, 0), 0).ok());
    while (!host.is_taken) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    host.stops = true;
  }
  CHECK_FALSE(last_patience.is_waiting());
}

TEST_CASE("layers that stop one after the other wait for others' files no longer together than one of them would") {
  constexpr std::uint64_t second = 1'000'000'000;
  LastPatience patience;
  CHECK(patience.begin(100 * second) == second);
  patience.end(100 * second, 100 * second + second / 4);
  CHECK(patience.begin(100 * second + second / 4) == second - second / 4);
  patience.end(100 * second + second / 4, 101 * second);
  CHECK(patience.begin(101 * second) == 0);
  patience.end(101 * second, 101 * second);
  // Another stop.
  CHECK(patience.begin(104 * second) == second * 3 / 5);
  patience.end(104 * second, 104 * second);
  CHECK(patience.begin(200 * second) == second);
}

TEST_CASE("a layer that had to wait for a moment only has not used up what those have that stop behind it") {
  constexpr std::uint64_t second = 1'000'000'000;
  LastPatience patience;
  const std::uint64_t begun = 100 * second;
  CHECK(patience.begin(begun) == second);
  CHECK(patience.begin(begun) == second);  // two at once
  patience.end(begun, begun + 5);
  patience.end(begun, begun + 5);
  CHECK(patience.begin(begun + 5) == second - 10);
}
