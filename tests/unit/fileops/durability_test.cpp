// A lost write is told to every flush that might cover it, though the kernel tells of it only once.
#include <sys/uio.h>

#include <functional>
#include <optional>
#include <thread>

#include "catch.hpp"
#include "fileops/sync_errors.hpp"
#include "model_disk.hpp"

using namespace testing;

namespace {

// A disk that can lose data. As by the kernel, each descriptor is told once: through the main one, the syncing call
// that comes first; through another one, whoever asks.
struct Losing : ModelDisk {
  Losing() : ModelDisk(Kind::file) {}

  void lose() { ++losses; }

  std::atomic<int> losses{0};
  std::atomic<int> told{0};       // syncing calls that were told
  std::atomic<int> synced{0};     // syncing calls that succeeded
  std::atomic<int> witnesses{0};  // descriptors opened
  int cannot_ask = 0;             // errno with which the other descriptor cannot be asked
  int told_error = EIO;           // what is told of lost data
  // Called by the call that was told, or synced, before it returns; and by a write without RWF_DSYNC.
  std::function<void()> when_told = [] {}, when_synced = [] {}, when_written = [] {};

  int fdatasync(int) override { return sync(); }
  ssize_t write(int fd, const void* from, std::size_t length, std::uint64_t offset, int flags) override {
    const ssize_t written = ModelDisk::write(fd, from, length, offset, flags);
    if (flags == 0) when_written();
    if (flags == 0 || written < 0) return written;
    const int synced_with = sync();
    return synced_with != 0 ? synced_with : written;
  }
  int open_again(int) override {
    ++witnesses;
    seen_by_witness_ = seen_.load();  // what nobody was told yet is told to the new one, too
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  int lost_data(int) override {
    if (cannot_ask != 0) return -cannot_ask;
    return seen_by_witness_.exchange(losses) != losses ? -told_error : 0;
  }

 private:
  int sync() {
    const bool lost = seen_.exchange(losses) != losses;
    ++(lost ? told : synced);
    (lost ? when_told : when_synced)();
    return lost ? -told_error : 0;
  }
  std::atomic<int> seen_{0}, seen_by_witness_{0};
};

struct Lossy {
  explicit Lossy(bool witness) : backend(facts(witness), Fd{}, Fd{}, disk, log.host()) {}

  Losing disk;
  Log log;
  Backend backend;

  int flush() {
    Io io(Op::flush, 0, 0);
    return backend.flush(io).code();
  }
  int write(Flags flags) {
    static constexpr std::array<std::byte, 4096> bytes{};
    Io io = Io::write(0, bytes, flags);
    return backend.write(io).code();
  }

 private:
  static Facts facts(bool witness) {
    Facts facts;
    facts.size = M;
    facts.witness = witness;
    return facts;
  }
};

// Another client's request, made in the midst of the first one's.
class Other {
 public:
  Other(Lossy& of, std::function<int()> request) : of_(of), request_(std::move(request)) {}
  ~Other() { answer(); }

  // Starts it, and returns when it has been answered or waits for what becomes of the first. Does nothing if it has
  // been started: it may itself come here.
  void start() {
    if (started_.exchange(true)) return;
    thread_ = std::thread([this] {
      answer_ = request_();
      answered_ = true;
    });
    while (!answered_ && of_.backend.sync_errors().waiting() == 0) std::this_thread::yield();
    waited_ = !answered_;
  }
  std::optional<int> answer() {
    if (thread_.joinable()) thread_.join();
    return answer_;
  }
  bool waited() const { return waited_; }

 private:
  Lossy& of_;
  const std::function<int()> request_;
  std::thread thread_;
  std::optional<int> answer_;
  std::atomic<bool> started_{false}, answered_{false};
  bool waited_ = false;
};

// Two flushes meet, so that the witness is opened.
void meet(Lossy& l) {
  Other other(l, [&l] { return l.flush(); });
  l.disk.when_synced = [&other] { other.start(); };
  CHECK(l.flush() == 0);
  CHECK(other.answer() == 0);
  CHECK(other.waited());
  l.disk.when_synced = [] {};
  l.disk.synced = 0;
}

}  // namespace

TEST_CASE("a flush does not succeed while another call has been told of lost data and it is not remembered yet") {
  const bool fua = GENERATE(false, true), other_fua = GENERATE(false, true), while_written = GENERATE(false, true);
  const auto [witness, met] = GENERATE(table<bool, bool>({{false, false}, {false, true}, {true, false}, {true, true}}));
  if (while_written && !fua) return;
  INFO((fua ? "FUA is told" : "flush is told")
       << (other_fua ? ", FUA beside it" : ", flush beside it")
       << (while_written ? ", while it finds out whose fault it was" : "") << (witness ? ", with a witness" : "")
       << (met ? ", not for the first time" : ""));
  Lossy l(witness);
  if (met) meet(l);
  l.disk.lose();
  Other other(l, [&] { return other_fua ? l.write(Flag::fua) : l.flush(); });
  (while_written ? l.disk.when_written : l.disk.when_told) = [&other] { other.start(); };
  CHECK((fua ? l.write(Flag::fua) : l.flush()) == EIO);
  CHECK(other.answer() == EIO);
  CHECK(other.waited() == !(witness && (met || fua)));
  CHECK(l.disk.told == 1);
  CHECK(l.disk.synced == 1);  // the other one: the kernel told it nothing
  CHECK(l.flush() == EIO);
  CHECK(l.write(Flag::fua) == EIO);
  CHECK(l.log.errors.size() == 1);
}

TEST_CASE("a second descriptor is opened when syncing calls first meet, or a write is to be durable, and once") {
  Lossy l(true);
  CHECK(l.flush() == 0);
  CHECK(l.disk.witnesses == 0);
  if (GENERATE(false, true)) CHECK(l.write(Flag::fua) == 0);
  else meet(l);
  CHECK(l.disk.witnesses == 1);
  Other other(l, [&l] { return l.flush(); });
  l.disk.when_synced = [&other] { other.start(); };
  CHECK(l.flush() == 0);
  CHECK(other.answer() == 0);
  CHECK_FALSE(other.waited());
  CHECK(l.disk.witnesses == 1);
  CHECK(l.log.errors.empty());
}

TEST_CASE("a descriptor that cannot be asked is no witness, and tells of no lost data") {
  Lossy l(true);
  l.disk.cannot_ask = GENERATE(ENOSYS, EPERM);
  meet(l);
  meet(l);
  CHECK(l.disk.witnesses == 1);
  CHECK(l.log.errors.empty());
  l.disk.lose();
  Other other(l, [&l] { return l.flush(); });
  l.disk.when_told = [&other] { other.start(); };
  CHECK(l.flush() == EIO);
  CHECK(other.waited());
  CHECK(other.answer() == EIO);
}

TEST_CASE("data that were lost before the witness was opened, and that nobody was told of, are told") {
  Lossy l(true);
  Other other(l, [&l] { return l.flush(); });
  std::atomic<int> synced{0};
  l.disk.when_synced = [&] {
    if (synced++ == 0) other.start();
    else l.disk.lose();
  };
  CHECK(l.flush() == EIO);
  CHECK(other.answer() == EIO);  // nothing was lost when it synced, but that it cannot know
  CHECK(l.disk.told == 0);
  CHECK(l.log.errors.size() == 1);
}

TEST_CASE("a FUA write that fails by itself is no error of the flushes beside it, where there is a witness") {
  Lossy l(true);
  l.disk.fault = failing(Call::write, ENOSPC, 2);
  Other other(l, [&] { return l.flush(); });
  l.disk.when_written = [&other] { other.start(); };
  CHECK(l.write(Flag::fua) == ENOSPC);
  CHECK(other.answer() == 0);
  CHECK(l.flush() == 0);
  CHECK(l.log.errors.empty());
}

TEST_CASE(
    "a FUA write that fails for want of space twice counts as lost data where data were lost, or nobody can tell") {
  const bool witness = GENERATE(false, true), met = GENERATE(false, true);
  INFO((witness ? "witness" : "no witness") << (met ? ", met" : ""));
  Lossy l(witness);
  if (met) meet(l);
  l.disk.told_error = ENOSPC;
  if (witness) l.disk.lose();
  l.disk.fault = [witness, n = 0](Call call) mutable {
    return call == Call::write && n++ >= (witness ? 1 : 0) ? -ENOSPC : 0;
  };
  CHECK(l.write(Flag::fua) == ENOSPC);
  l.disk.fault = {};
  CHECK(l.flush() == ENOSPC);
  CHECK(l.write(Flag::fua) == ENOSPC);
  CHECK(l.log.errors.size() == 1);
}

TEST_CASE("a FUA write that fails with EIO twice counts as lost data: nobody can tell what the first one was") {
  Bench b(Kind::file);
  b.disk.fault = failing(Call::write, EIO, 2);
  CHECK(b.write({0, 4096}, 1, Flag::fua) == EIO);
  CHECK(b.flush() == EIO);
  CHECK(b.log.errors.size() == 1);
}

TEST_CASE("a FUA write that fails for want of space after data were lost is not taken for the fault") {
  Bench b(Kind::file);
  b.disk.fault = [n = 0](Call call) mutable { return call != Call::write ? 0 : n++ == 0 ? -EIO : -ENOSPC; };
  CHECK(b.write({0, 4096}, 1, Flag::fua) == EIO);
  CHECK(b.flush() == EIO);
}

namespace {

// Without a witness.
struct Waiting : private Log, SyncErrors {
  explicit Waiting(bool host_offers_to_wait = true)
      : SyncErrors(host_offers_to_wait ? wait_of(host()) : std::nullopt, Witness(kernel, -1, false)) {}
  Syscalls kernel;
};

}  // namespace

TEST_CASE("a syncing call waits for those that began before it returned, and for no other") {
  Waiting errors;
  std::optional<SyncErrors::Call> earlier(std::in_place, errors);
  std::atomic<int> answer{-1};
  std::thread thread([&] {
    SyncErrors::Call call(errors);
    answer = call.end().error;
  });
  while (errors.waiting() == 0 && answer == -1) std::this_thread::yield();
  const SyncErrors::Call later(errors);
  CHECK(answer == -1);
  earlier.reset();
  thread.join();  // though `later` is under way
  CHECK(answer == 0);
}

TEST_CASE("a syncing call that waits is told the error as soon as it is remembered") {
  Waiting errors;
  SyncErrors::Call failing(errors);
  const SyncErrors::Call hanging(errors);
  std::atomic<int> answer{-1};
  std::thread thread([&] { answer = SyncErrors::Call(errors).end().error; });
  while (errors.waiting() == 0 && answer == -1) std::this_thread::yield();
  failing.failed(ENOSPC);
  thread.join();
  CHECK(answer == ENOSPC);
  SyncErrors::Call later(errors);
  later.failed(EIO);
  const auto [error, found] = later.end();
  CHECK(error == ENOSPC);
  CHECK_FALSE(found);
  CHECK(failing.end().found);
}

TEST_CASE("syncing calls of many threads end") {
  Waiting errors(GENERATE(true, false));
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&errors, t] {
      for (int i = 0; i < 2000; ++i) {
        SyncErrors::Call call(errors);
        if ((i + t) % 3 != 0 && call.end().error != 0) std::abort();
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(errors.waiting() == 0);
  CHECK(SyncErrors::Call(errors).end().error == 0);
}
