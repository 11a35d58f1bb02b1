// The filter trace when its file cannot keep up: with when_full = "drop" nobody waits and what is lost is counted, with
// "wait" nothing is lost.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <thread>

#include "../../unit/no_memory.hpp"
#include "traced.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using namespace ashlar::trace;

namespace {

// No file of the process may grow beyond 4 KiB, so that a trace is full at once, or beyond `bytes`.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes = 4096) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    struct rlimit full = before_;
    full.rlim_cur = bytes;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &full) == 0);
  }
  ~FullDisk() { end(); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;
  void end() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  void (*const handler_)(int);
  struct rlimit before_ {};
};

// A host whose clock is far ahead: who sleeps is awake at once. Keeps how long they wanted to sleep.
class SleeplessHost {
 public:
  SleeplessHost() : host_(*fake_.services()), wait_(*fake_.wait().services()) {
    host_.self = this;
    host_.log = [](void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
      const ashlar_host& real = *static_cast<SleeplessHost*>(self)->fake_.services();
      real.log(real.self, level, text, length);
    };
    host_.log_enabled = [](void* self, std::uint32_t level) noexcept {
      const ashlar_host& real = *static_cast<SleeplessHost*>(self)->fake_.services();
      return real.log_enabled(real.self, level);
    };
    host_.extension = [](void* self, const char* id) noexcept -> const void* {
      auto& here = *static_cast<SleeplessHost*>(self);
      if (std::string_view(id) == ASHLAR_WAIT_ID) return &here.wait_;
      const ashlar_host& real = *here.fake_.services();
      return real.extension(real.self, id);
    };
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
  const ashlar_host* services() const { return &host_; }
  const FakeHost& fake() const { return fake_; }
  std::uint64_t longest() const { return longest_; }  // nanoseconds

 private:
  FakeHost fake_;
  ashlar_host host_;
  ashlar_wait wait_;
  std::uint64_t longest_ = 0, sleeps_ = 0;
  bool cancelled_ = false;
};

// A host whose log does not return as long as it is held: so the writer stands still.
class HeldHost {
 public:
  HeldHost() : host_(*fake_.services()) {
    host_.self = this;
    host_.log = [](void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
      auto& here = *static_cast<HeldHost*>(self);
      here.fake_.services()->log(here.fake_.services()->self, level, text, length);
      std::unique_lock<std::mutex> lock(here.mutex_);
      here.changed_.wait(lock, [&here] { return !here.held_; });
    };
    host_.log_enabled = [](void* self, std::uint32_t level) noexcept {
      const ashlar_host& real = *static_cast<HeldHost*>(self)->fake_.services();
      return real.log_enabled(real.self, level);
    };
    host_.extension = [](void* self, const char* id) noexcept {
      const ashlar_host& real = *static_cast<HeldHost*>(self)->fake_.services();
      return real.extension(real.self, id);
    };
  }
  const ashlar_host* services() const { return &host_; }
  const FakeHost& fake() const { return fake_; }
  void let_go() {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }

 private:
  FakeHost fake_;
  ashlar_host host_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = true;
};

// A host whose log leaves the writer without memory once it has met the full disk, until that is said.
class ForgetfulHost {
 public:
  ForgetfulHost() : host_(*fake_.services()) {
    host_.self = this;
    host_.log = [](void* self, std::uint32_t level, const char* text, std::size_t length) noexcept {
      host::allocations_left = SIZE_MAX;
      const ashlar_host& real = *static_cast<ForgetfulHost*>(self)->fake_.services();
      real.log(real.self, level, text, length);
      if (std::string_view(text, length).find("cannot write to") != std::string_view::npos) host::allocations_left = 0;
    };
    host_.log_enabled = [](void* self, std::uint32_t level) noexcept {
      const ashlar_host& real = *static_cast<ForgetfulHost*>(self)->fake_.services();
      return real.log_enabled(real.self, level);
    };
    host_.extension = [](void* self, const char* id) noexcept {
      const ashlar_host& real = *static_cast<ForgetfulHost*>(self)->fake_.services();
      return real.extension(real.self, id);
    };
  }
  const ashlar_host* services() const { return &host_; }
  const FakeHost& fake() const { return fake_; }

 private:
  FakeHost fake_;
  ashlar_host host_;
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

TEST_CASE("trace drops what finds no room in the ring, counts it, and holds nobody up") {
  const Folder folder;
  HeldHost host;
  ModelDisk disk(8192);
  std::uint64_t asked = 0, well = 0;
  {
    const Traced layer(host.services(), {{"path", folder.trace()}});
    const auto device = layer.open_over(disk);
    FullDisk full;
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
    FullDisk full;
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
  FullDisk full;
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
      FullDisk full;
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
