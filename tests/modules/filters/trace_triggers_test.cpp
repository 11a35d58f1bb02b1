// The filter trace with a ring: when it is written out, and what is not a reason for that.
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include "other_host.hpp"
#include "traced.hpp"
#include "triggers.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace ashlar::trace;

namespace {

struct Ring {
  explicit Ring(const std::string& trigger) : layer(host, given(folder, trigger)), device(layer.open_over(disk)) {}

  static Given given(const Folder& folder, const std::string& trigger) {
    Given all{{"path", folder.trace()}, {"ring", "1M"}};
    if (!trigger.empty()) all.push_back({"trigger", trigger});
    return all;
  }
  bool is_there(const std::string& suffix = "") const { return std::filesystem::exists(folder.trace() + suffix); }
  // The writer looks at a request when its reply has left.
  void ask_and_reply(Io io) {
    static_cast<void>(ask(*device, io, ++id));
    const ashlar_replied& replied = told(*device);
    replied.replied(replied.self, id, 0);
  }
  // Only a hang takes as long.
  void until_there(const std::string& suffix = "") const {
    for (int i = 0; i < 6000 && !is_there(suffix); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(is_there(suffix));
  }
  // Until the writer has taken out all that there was.
  void until_looked() {
    const auto records = [&]() -> std::size_t {
      Listener nobody;
      try {
        FileReader reader(folder.trace() + ".ring", nobody);
        return all_of(reader).size();
      } catch (const TraceError&) {
        return 0;  // it is being made
      }
    };
    for (int i = 0; i < 6000 && records() < id; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(records() == id);
  }

  const Folder folder;
  FakeHost host;
  ModelDisk disk{8192};
  const Traced layer;
  const std::unique_ptr<TestDevice> device;
  std::uint64_t id = 0;
};

}  // namespace

TEST_CASE("a ring is written out when a request fails, and not before") {
  Ring ring("error");
  ring.disk.fail(Op::zero, Status::no_space());
  ring.ask_and_reply(Io(Op::flush, 0, 0));
  ring.until_looked();
  CHECK_FALSE(ring.is_there());
  ring.ask_and_reply(Io(Op::zero, 0, 512));
  ring.until_there();
  CHECK(ring.host.said("the ring is in " + ring.folder.trace() + ": error"));
  Heard heard;
  FileReader reader(ring.folder.trace(), heard);
  CHECK(ids(all_of(reader)) == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("without a ring triggers do nothing, of which the log warns, and all is written") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  disk.fail(Op::zero, Status::no_space());
  {
    const Traced layer(host, {{"path", folder.trace()}, {"ring", "0"}, {"trigger", "slower 1ms,error,signal"}});
    CHECK(host.said("trigger does nothing without ring"));
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io(Op::zero, 0, 512), 0) == Status::no_space());
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  CHECK(all_of(reader).size() == 1);
  CHECK_FALSE(std::filesystem::exists(folder.trace() + ".1"));
}

TEST_CASE("a zero that was to be fast, and could not be, is no error for a trigger") {
  Ring ring("error");
  ring.disk.fail(Op::zero, Status::not_supported());
  ring.ask_and_reply(Io(Op::zero, 0, 512, Flag::fast));
  ring.until_looked();
  CHECK_FALSE(ring.is_there());
  ring.ask_and_reply(Io(Op::zero, 0, 512));
  ring.until_there();
}

TEST_CASE("a ring is written out when a request is slower than the trigger says, and not for a faster one") {
  Ring ring("slower 10s");
  Ring quick("slower 1us");
  std::atomic<bool> slow{false};
  for (Ring* const one : {&ring, &quick}) {
    one->disk.on_call([&](const ModelDisk::Call&) {
      if (slow) std::this_thread::sleep_for(std::chrono::microseconds(100));
    });
    slow = true;
    one->ask_and_reply(Io(Op::flush, 0, 0));
  }
  quick.until_there();
  CHECK(quick.host.said("the ring is in " + quick.folder.trace() + ": slower"));
  ring.until_looked();
  CHECK_FALSE(ring.is_there());
}

TEST_CASE("a ring is written out when somebody asks for it, whatever the triggers") {
  Ring ring("");
  ring.ask_and_reply(Io(Op::flush, 0, 0));
  ring.until_looked();
  const auto dump = [&ring](const std::vector<std::string>& arguments = {}) {
    try {
      return ring.host.control().call("dump", arguments);
    } catch (const Refused& e) {
      return std::string("refused: ") + e.what();
    }
  };
  CHECK(dump({"now"}) == "refused: takes no argument, and was given \"now\"");
  CHECK(dump() == "the ring is in " + ring.folder.trace());
  CHECK(ring.is_there());
  CHECK(ring.host.said(": dump"));
  CHECK(dump() == "no file is made, as no request was finished since the ring was begun");
  CHECK_FALSE(ring.is_there(".1"));
  ring.ask_and_reply(Io(Op::flush, 0, 0));
  CHECK(dump().starts_with("the ring will be written out in "));
}

TEST_CASE("a trigger before anything else makes no file, and the one behind it need not wait") {
  Ring ring("");
  CHECK(ring.host.control().call("dump", {}) == "no file is made, as no request was finished since the ring was begun");
  CHECK_FALSE(ring.is_there());
  ring.ask_and_reply(Io(Op::flush, 0, 0));
  ring.until_looked();
  CHECK(ring.host.control().call("dump", {}) == "the ring is in " + ring.folder.trace());
}

TEST_CASE("a ring that has to stay is no answer to who asks for it") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  folder.write("disk.trace", "taken");
  const Traced layer(host, {{"path", folder.trace()}, {"ring", "256K"}, {"max_size", "256K"}});
  const auto device = layer.open_over(disk);
  CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());
  std::string why;
  try {
    host.control().call("dump");
  } catch (const Refused& e) {
    why = e.what();
  }
  CHECK(why.find("stays where it is, as there are 1 files") != std::string::npos);
}

TEST_CASE("a ring is written out by SIGUSR1, in each layer that hears it and in no other") {
  Ring first("signal"), second("signal"), other("error");
  for (Ring* const one : {&first, &second, &other}) {
    one->ask_and_reply(Io(Op::flush, 0, 0));
    one->until_looked();
  }
  REQUIRE(::raise(SIGUSR1) == 0);
  first.until_there();
  second.until_there();
  CHECK_FALSE(other.is_there());
}

TEST_CASE("a signal that comes while somebody else writes the ring has its turn when they have ended") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  const std::string ring = folder.trace() + ".ring";
  auto other = std::make_unique<Written>(ring, FileWriter::Options{.max_size = std::uint64_t{1} << 20, .run = 7});
  const Traced layer(host, Ring::given(folder, "signal"));
  layer.begin_serving();
  const auto device = layer.open_over(disk);
  CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());
  REQUIRE(::raise(SIGUSR1) == 0);
  std::string why;
  try {
    host.control().call("dump");  // the writer has heard the signal by then
  } catch (const Refused& e) {
    why = e.what();
  }
  CHECK_FALSE(why.empty());
  CHECK_FALSE(std::filesystem::exists(folder.trace()));
  other.reset();
  for (int i = 0; i < 6000 && !host.said("the ring is in"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(host.said("the ring is in " + folder.trace() + ": signal"));
}

TEST_CASE("a second trigger soon after the first one waits") {
  Ring ring("error");
  ring.disk.fail(Op::zero, Status::no_space());
  ring.ask_and_reply(Io(Op::zero, 0, 512));
  ring.until_there();
  ring.id = 0;
  ring.ask_and_reply(Io(Op::zero, 0, 512));
  ring.until_looked();
  CHECK_FALSE(ring.is_there(".1"));
}

TEST_CASE("a trigger that came too early has its turn 10 seconds after the one before") {
  const Settings settings{};
  Triggers triggers(settings);
  triggers.pull("dump");
  CHECK(triggers.due(1));
  CHECK_FALSE(triggers.due(2));
  triggers.pull("dump");
  CHECK_FALSE(triggers.due(Triggers::pause));
  CHECK(triggers.due(Triggers::pause + 1));  // its turn comes then
  CHECK(triggers.why() == "dump");
}

TEST_CASE("a ring whose trigger is still to be served is kept when the server stops, and by the next one") {
  const Folder folder;
  ModelDisk disk(8192);
  disk.fail(Op::zero, Status::no_space());
  // One file of 256K is all that may be there.
  const Given given{{"path", folder.trace()}, {"ring", "256K"}, {"max_size", "256K"}, {"trigger", "error"}};
  const std::string ring = folder.trace() + ".ring";
  const auto records = [](const std::string& path) {
    Heard heard;
    FileReader reader(path, heard);
    return all_of(reader).size();
  };
  // Returns whether it has said that the ring stays.
  const auto fail_one = [&] {
    FakeHost host;
    {
      const Traced layer(host, given);
      CHECK_FALSE(ask(*layer.open_over(disk), Io(Op::zero, 0, 512), 0).ok());
    }
    return host.said("stays where it is, as there are 1 files of \"" + folder.trace());
  };
  CHECK_FALSE(fail_one());
  CHECK(records(folder.trace()) == 1);
  CHECK_FALSE(std::filesystem::exists(ring));
  CHECK(fail_one());
  CHECK(records(ring) == 1);
  const auto before = std::filesystem::file_size(ring);
  CHECK(fail_one());  // and records nothing
  CHECK(std::filesystem::file_size(ring) == before);
  std::filesystem::remove(folder.trace());
  static_cast<void>(fail_one());
  CHECK(records(folder.trace()) == 1);
}

TEST_CASE("a ring that was another layer's until then is begun anew, and nothing that came meanwhile is lost") {
  const Folder folder;
  FakeHost host_before, host;
  ModelDisk disk(8192);
  disk.fail(Op::zero, Status::no_space());
  {
    auto before = std::make_unique<Traced>(host_before, Ring::given(folder, "error"));
    before->begin_serving();
    CHECK(ask(*before->open_over(disk), Io(Op::flush, 0, 0), 1).ok());
    const Traced layer(host, Ring::given(folder, "error"));
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 2).ok());
    CHECK_FALSE(ask(*device, Io(Op::zero, 0, 512), 3).ok());
    before.reset();
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  CHECK(ids(all_of(reader)) == std::vector<std::uint64_t>{2, 3});
  CHECK(reader.completeness().dropped == 0);
  CHECK_FALSE(std::filesystem::exists(folder.trace() + ".ring"));
  CHECK_FALSE(std::filesystem::exists(folder.trace() + ".1"));
}

TEST_CASE("a layer whose ring has been moved leaves that of another server alone, which stands there then") {
  for (const bool triggers : {false, true}) {
    const Folder folder;
    const std::string path = folder.trace() + ".ring";
    FakeHost host;
    ModelDisk disk(8192);
    disk.fail(Op::zero, Status::no_space());
    auto layer = std::make_unique<Traced>(host, Ring::given(folder, triggers ? "error" : ""));
    layer->begin_serving();
    std::filesystem::rename(path, path + ".moved");
    Written other(path, {.max_size = std::uint64_t{1} << 20, .run = 7});
    other.add(entry(1, 1, 2));
    REQUIRE(other.writer.flush());
    CHECK_FALSE(ask(*layer->open_over(disk), Io(Op::zero, 0, 512), 0).ok());
    layer.reset();
    CHECK(host.said("has been moved or removed") == triggers);
    Heard heard;
    FileReader reader(path, heard);
    CHECK(ids(all_of(reader)) == std::vector<std::uint64_t>{1});
    CHECK_FALSE(std::filesystem::exists(folder.trace()));
  }
}

TEST_CASE("a ring that cannot be looked at is not taken for one that was moved away") {
  const Folder folder;
  const auto here = folder.path() / "here", aside = folder.path() / "aside";
  const std::string path = (here / "disk.trace").string();
  std::filesystem::create_directory(here);
  FakeHost host;
  ModelDisk disk(8192);
  {
    const Traced layer(host, {{"path", path}, {"ring", "1M"}});
    layer.begin_serving();
    const auto device = layer.open_over(disk);
    CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());
    std::filesystem::rename(here, aside);
    std::filesystem::create_symlink(here, here);  // to itself: nobody finds out what is behind it
    CHECK_THROWS_AS(host.control().call("dump"), Refused);
    std::filesystem::remove(here);
    std::filesystem::rename(aside, here);
  }
  CHECK(host.said("cannot rename"));
  CHECK_FALSE(host.said("has been moved or removed"));
  Heard heard;
  FileReader reader(path, heard);
  CHECK(all_of(reader).size() == 1);
}

TEST_CASE("who asks for a ring is told where it is, also when no other can be begun") {
  // Its log makes a folder where the next ring would be.
  struct Host final : OtherHost {
    explicit Host(std::string ring) : next(std::move(ring)) {}
    void log(std::uint32_t level, const char* text, std::size_t length) noexcept override {
      OtherHost::log(level, text, length);
      if (fake().said("the ring is in")) ::mkdir(next.c_str(), 0700);
    }
    const std::string next;
  };
  const Folder folder;
  Host host(folder.trace() + ".ring");
  ModelDisk disk(8192);
  const Traced layer(host.services(), Ring::given(folder, ""));
  CHECK(ask(*layer.open_over(disk), Io(Op::flush, 0, 0), 0).ok());
  CHECK(host.fake().control().call("dump") == "the ring is in " + folder.trace());
  CHECK(std::filesystem::is_directory(host.next));
}

TEST_CASE("a request that fails while somebody else writes the ring has its turn when they have ended, however late") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  disk.fail(Op::zero, Status::no_space());
  auto other = std::make_unique<Written>(folder.trace() + ".ring",
                                         FileWriter::Options{.max_size = std::uint64_t{1} << 20, .run = 7});
  const Traced layer(host, Ring::given(folder, "error"));
  layer.begin_serving();
  const auto device = layer.open_over(disk);
  const auto until_said = [&host](const std::string& text) {
    for (int i = 0; i < 6000 && !host.said(text); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    REQUIRE(host.said(text));
  };
  until_said("requests are not recorded until that is over");  // what comes is no longer kept
  CHECK_FALSE(ask(*device, Io(Op::zero, 0, 512), 0).ok());
  CHECK_THROWS_AS(host.control().call("dump"), Refused);  // the writer has taken it out by then
  other.reset();
  until_said("the ring is in " + folder.trace() + ": error");
}
