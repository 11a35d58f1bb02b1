// The filter trace when its file cannot keep up: with when_full = "drop" nobody waits and what is lost is counted, with
// "wait" nothing is lost.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "../../unit/full_disk.hpp"
#include "../../unit/no_memory.hpp"
#include "other_host.hpp"
#include "traced.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace ashlar::trace;

namespace {

constexpr rlim_t full_at_once = 4096;  // of a trace, bytes

// A host whose clock is far ahead: who sleeps is awake at once. Keeps how long they wanted to sleep.
class SleeplessHost final : public OtherHost {
 public:
  SleeplessHost() : wait_(*fake().wait().services()) {
    wait_.self = this;
    wait_.sleep_until = [](void* self, std::uint64_t until) noexcept {
      auto& here = *static_cast<SleeplessHost*>(self);
      const auto now = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
              .count());
      here.longest_ = std::max<std::uint64_t>(here.longest_, until > now ? until - now : 0);
      if (++here.sleeps_ == 200) here.cancelled_ = true;
    };
    wait_.cancelled = [](void* self) noexcept {
      return static_cast<std::int32_t>(static_cast<SleeplessHost*>(self)->cancelled_ ? 1 : 0);
    };
  }
  std::uint64_t longest() const { return longest_; }  // nanoseconds

 private:
  const void* extension(const char* id) noexcept override {
    return std::string_view(id) == ASHLAR_WAIT_ID ? &wait_ : OtherHost::extension(id);
  }

  ashlar_wait wait_;
  std::uint64_t longest_ = 0, sleeps_ = 0;
  bool cancelled_ = false;
};

// A host whose log does not return as long as it is held: so the writer stands still.
class HeldHost final : public OtherHost {
 public:
  void let_go() {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

 private:
  void log(std::uint32_t level, const char* text, std::size_t length) noexcept override {
    OtherHost::log(level, text, length);
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return !held_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = true;
};

// A host whose log leaves the writer without memory once it has met the full disk, until that is said.
class ForgetfulHost final : public OtherHost {
  void log(std::uint32_t level, const char* text, std::size_t length) noexcept override {
    host::allocations_left = SIZE_MAX;
    OtherHost::log(level, text, length);
    if (std::string_view(text, length).find("cannot write to") != std::string_view::npos) host::allocations_left = 0;
  }
};

// Asks until the writer has met the full disk, and returns how often.
std::uint64_t fill(const TestDevice& device, const FakeHost& host) {
  std::uint64_t id = 0;
  while (!host.said("cannot write to")) {
    for (int i = 0; i < 100; ++i) static_cast<void>(ask(device, Io(Op::flush, 0, 0), ++id));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return id;
}

}  // namespace

TEST_CASE("trace counts what finds no place, and goes on without") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  const auto lines = [&host] {
    std::size_t n = 0;
    for (const auto& line : host.lines()) n += line.text.find("cannot write to") != std::string::npos ? 1 : 0;
    return n;
  };
  {
    const Traced layer(host, {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    FullDisk full(full_at_once);
    std::uint64_t id = 0;
    bool well = true;
    while (lines() == 0) {  // until the file is full
      for (int i = 0; i < 100; ++i) well &= ask(*device, Io(Op::flush, 0, 0), ++id).ok();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (int i = 0; i < 1000; ++i) well &= ask(*device, Io(Op::flush, 0, 0), ++id).ok();
    CHECK(well);
    full.end();
  }
  CHECK(lines() == 1);
  Heard heard;
  FileReader reader(folder.trace(), heard);
  const std::size_t records = all_of(reader).size();
  CHECK(records + reader.completeness().dropped >= 1100);
  CHECK(reader.completeness().dropped > 0);
  CHECK(host.metrics().value("records_written") == static_cast<double>(records));
  CHECK(host.metrics().value("requests_dropped") == static_cast<double>(reader.completeness().dropped));
  CHECK(heard.problems.empty());
}

TEST_CASE("trace drops what finds no room in the ring, counts it, and holds nobody up") {
  const Folder folder;
  HeldHost host;
  ModelDisk disk(8192);
  std::uint64_t asked = 0, well = 0;
  {
    const Traced layer(host.services(), {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    FullDisk full(full_at_once);
    asked = fill(*device, host.fake());  // from now on the writer stands still
    full.end();
    constexpr std::uint64_t more = 40'000;  // than a ring holds
    for (std::uint64_t n = 0; n < more; ++n) well += ask(*device, Io(Op::flush, 0, 0), ++asked).ok() ? 1 : 0;
    CHECK(well == more);
    host.let_go();
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  const std::size_t records = all_of(reader).size();
  CHECK(reader.completeness().dropped > 20'000);
  CHECK(records > 1000);
  CHECK(records + reader.completeness().dropped == asked);
}

TEST_CASE("a trace whose disk takes nothing does not keep a server from starting, and counts what it lost") {
  for (const bool ring : {false, true}) {
    const Folder folder;
    FakeHost host;
    ModelDisk disk(8192);
    disk.fail(Op::zero, Status::no_space());
    Given given{{"path", folder.trace()}};
    if (ring) given.insert(given.end(), {{"ring", "1M"}, {"trigger", "error"}});
    {
      const Traced layer(host, given);
      FullDisk full(0);
      layer.begin_serving();
      const auto device = layer.open_over(disk);
      CHECK(ask(*device, Io(Op::flush, 0, 0), 0).ok());
      CHECK_FALSE(ask(*device, Io(Op::zero, 0, 512), 0).ok());
      while (!host.said("cannot write to")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (ring) CHECK_THROWS_AS(host.control().call("dump"), Refused);  // both requests have been taken out by then
      full.end();
      CHECK(ask(*device, Io(Op::zero, 0, 512), 0) == Status::no_space());
    }
    Heard heard;
    FileReader reader(folder.trace(), heard);
    std::uint64_t known = all_of(reader).size() + reader.completeness().dropped;
    // The ring may have been written out before the third request came.
    if (const std::string next = folder.trace() + ".1"; std::filesystem::exists(next)) {
      FileReader other(next, heard);
      known += all_of(other).size() + other.completeness().dropped;
    }
    CHECK(known == 3);
    CHECK(reader.completeness().ended == !ring);
    CHECK(heard.problems.empty());
  }
}

TEST_CASE("trace has requests wait for a full disk when it is told to, and loses none") {
  const Folder folder;
  FakeHost host;
  ModelDisk disk(8192);
  disk.geometry().flags |= Flag::nowait;
  std::uint64_t asked = 0;
  {
    const Traced layer(host, {{"path", folder.trace()}, {"when_full", "wait"}});
    const auto device = layer.open_over(disk);
    FullDisk full(full_at_once);
    asked = fill(*device, host);
    // Who must not wait is told so, and asks no layer below.
    while (ask(*device, Io(Op::flush, 0, 0, Flag::nowait), asked + 1).ok() && asked < 100'000) ++asked;
    REQUIRE(asked < 100'000);
    CHECK(ask(*device, Io(Op::flush, 0, 0, Flag::nowait), asked + 1) == Status::would_block());
    const std::size_t below = disk.calls().size();
    std::atomic<bool> answered{false};
    std::thread waiting([&] {
      static_cast<void>(ask(*device, Io(Op::flush, 0, 0), asked + 1));
      answered = true;
    });
    // It would have been answered by now.
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK_FALSE(answered);
    CHECK(disk.calls().size() == below);
    full.end();
    waiting.join();
    ++asked;
  }
  Heard heard;
  FileReader reader(folder.trace(), heard);
  CHECK(all_of(reader).size() == asked);
  CHECK(reader.completeness().whole());
  CHECK(host.said("requests wait until it can"));
}

TEST_CASE("trace has requests look ever more seldom whether a full disk has room") {
  const Folder folder;
  SleeplessHost host;
  ModelDisk disk(8192);
  const Traced layer(host.services(), {{"path", folder.trace()}, {"when_full", "wait"}});
  const auto device = layer.open_over(disk);
  FullDisk full(full_at_once);
  std::uint64_t asked = fill(*device, host.fake());
  while (host.longest() == 0 && asked < 100'000) static_cast<void>(ask(*device, Io(Op::flush, 0, 0), ++asked));
  full.end();
  CHECK(host.longest() > 50'000'000);
  CHECK(host.longest() <= 100'000'000);
}

TEST_CASE("trace says in a file with a limit what it dropped, also when the disk is full to the end") {
  for (const char* when_full : {"drop", "wait"}) {
    const Folder folder;
    FakeHost host;
    ModelDisk disk(8192);
    std::uint64_t asked = 0;
    {
      const FullDisk full(64 << 10);  // two eighths
      const Traced layer(host, {{"path", folder.trace()}, {"max_size", "256K"}, {"when_full", when_full}});
      const auto device = layer.open_over(disk);
      asked = fill(*device, host);
    }
    Heard heard;
    FileReader reader(folder.trace(), heard);
    const std::size_t records = all_of(reader).size();
    CHECK(records > 600);
    CHECK(reader.completeness().dropped > 0);
    CHECK(records + reader.completeness().dropped == asked);
    CHECK(reader.completeness().ended);
    CHECK_FALSE(reader.completeness().broken);
    CHECK(heard.problems.empty());
  }
}

TEST_CASE("trace that can no longer record holds nobody up, and counts what has no record") {
  for (const char* when_full : {"drop", "wait"}) {
    const Folder folder;
    ForgetfulHost host;
    ModelDisk disk(8192);
    std::uint64_t asked = 0;
    {
      const Traced layer(host.services(), {{"path", folder.trace()}, {"when_full", when_full}});
      const auto device = layer.open_over(disk);
      FullDisk full(full_at_once);
      asked = fill(*device, host.fake());
      full.end();
      constexpr std::uint64_t more = 40'000;  // than a ring holds
      for (std::uint64_t n = 0; n < more; ++n) CHECK(ask(*device, Io(Op::flush, 0, 0), ++asked).ok());
    }
    CHECK(host.fake().said("requests are no longer recorded"));
    CHECK(host.fake().said("ends; "));
    Heard heard;
    FileReader reader(folder.trace(), heard);
    const std::size_t records = all_of(reader).size();
    CHECK(records + reader.completeness().dropped == asked);
    CHECK(reader.completeness().dropped > 1000);
    CHECK(reader.completeness().ended);
    CHECK(heard.problems.empty());
  }
}

TEST_CASE("a layer that gets no memory to begin leaves the signals of the thread that asks as they were") {
  const Folder folder;
  bool begins = false;
  std::size_t refused = 0;
  for (std::size_t allocations = 0; !begins && allocations != 10'000; ++allocations) {
    const FakeHost host;
    const Traced layer(host, {{"path", folder.trace()}});
    host::allocations_left = allocations;
    try {
      layer.begin_serving();
      begins = true;
    } catch (const Refused&) {
      ++refused;
    } catch (const std::bad_alloc&) {  // of Refused's own text
      ++refused;
    }
    host::allocations_left = SIZE_MAX;
    sigset_t blocked;
    REQUIRE(::pthread_sigmask(SIG_SETMASK, nullptr, &blocked) == 0);
    CHECK(::sigismember(&blocked, SIGTERM) == 0);
  }
  CHECK(begins);
  CHECK(refused > 0);
}
