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

// A disk that has lost data. As of the kernel, one syncing call is told, and no other.
struct Losing : ModelDisk {
  Losing() : ModelDisk(Kind::file) {}

  std::atomic<int> lost{EIO};  // the error that nobody was told yet; 0: none
  std::atomic<int> told{0};    // calls that were told
  std::atomic<int> synced{0};  // calls that succeeded
  // Called by the call that was told, before it returns; and by a write without RWF_DSYNC.
  std::function<void()> when_told = [] {}, when_written = [] {};

  int fdatasync(int) override { return sync(); }
  ssize_t write(int fd, const void* from, std::size_t length, std::uint64_t offset, int flags) override {
    const ssize_t written = ModelDisk::write(fd, from, length, offset, flags);
    if (flags == 0) when_written();
    if (flags == 0 || written < 0) return written;
    const int error = sync();
    return error != 0 ? error : written;
  }

 private:
  int sync() {
    const int error = lost.exchange(0);
    if (error == 0) ++synced;
    else ++told;
    if (error != 0) when_told();
    return -error;
  }
};

struct Lossy {
  Losing disk;
  Log log;
  Backend backend{facts(), Fd{}, Fd{}, disk, log.host()};

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
  static Facts facts() {
    Facts facts;
    facts.size = M;
    return facts;
  }
};

// Another client's request, made in the midst of the first one's.
class Other {
 public:
  Other(Lossy& of, std::function<int()> request) : of_(of), request_(std::move(request)) {}
  ~Other() { answer(); }

  // Starts it, and returns when it has been answered or waits for what becomes of the first.
  void start() {
    if (thread_.joinable()) return;
    thread_ = std::thread([this] {
      answer_ = request_();
      answered_ = true;
    });
    while (!answered_ && of_.backend.sync_errors().waiting() == 0) std::this_thread::yield();
  }
  std::optional<int> answer() {
    if (thread_.joinable()) thread_.join();
    return answer_;
  }

 private:
  Lossy& of_;
  const std::function<int()> request_;
  std::thread thread_;
  std::optional<int> answer_;
  std::atomic<bool> answered_{false};
};

}  // namespace

TEST_CASE("a flush does not succeed while another call has been told of lost data and it is not remembered yet") {
  const bool fua = GENERATE(false, true), other_fua = GENERATE(false, true), while_written = GENERATE(false, true);
  if (while_written && !fua) return;
  INFO((fua ? "FUA is told" : "flush is told") << (other_fua ? ", FUA beside it" : ", flush beside it")
                                               << (while_written ? ", while it finds out whose fault it was" : ""));
  Lossy l;
  Other other(l, [&] { return other_fua ? l.write(Flag::fua) : l.flush(); });
  (while_written ? l.disk.when_written : l.disk.when_told) = [&other] { other.start(); };
  CHECK((fua ? l.write(Flag::fua) : l.flush()) == EIO);
  CHECK(other.answer() == EIO);
  CHECK(l.disk.told == 1);
  CHECK(l.disk.synced == 1);  // the other one: the kernel told it nothing
  CHECK(l.flush() == EIO);
  CHECK(l.write(Flag::fua) == EIO);
  CHECK(l.log.errors.size() == 1);
}

TEST_CASE("a FUA write that fails by itself holds up the flushes beside it, and is no error of theirs") {
  Lossy l;
  l.disk.lost = 0;
  l.disk.fault = failing(Call::write, ENOSPC, 2);
  Other other(l, [&] { return l.flush(); });
  l.disk.when_written = [&other] { other.start(); };
  CHECK(l.write(Flag::fua) == ENOSPC);
  CHECK(other.answer() == 0);
  CHECK(l.flush() == 0);
  CHECK(l.log.errors.empty());
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

TEST_CASE("a syncing call waits for those that began before it returned, and for no other") {
  SyncErrors errors;
  std::optional<SyncErrors::Call> earlier(std::in_place, errors);
  std::atomic<int> answer{-1};
  std::thread thread([&] {
    SyncErrors::Call call(errors);
    answer = call.end();
  });
  while (errors.waiting() == 0 && answer == -1) std::this_thread::yield();
  const SyncErrors::Call later(errors);
  CHECK(answer == -1);
  earlier.reset();
  thread.join();  // though `later` is under way
  CHECK(answer == 0);
}

TEST_CASE("a syncing call that waits is told the error as soon as it is remembered") {
  SyncErrors errors;
  const SyncErrors::Call failing(errors), hanging(errors);
  std::atomic<int> answer{-1};
  std::thread thread([&] { answer = SyncErrors::Call(errors).end(); });
  while (errors.waiting() == 0 && answer == -1) std::this_thread::yield();
  CHECK(errors.remember(ENOSPC));
  thread.join();
  CHECK(answer == ENOSPC);
  CHECK_FALSE(errors.remember(EIO));
  CHECK(errors.first() == ENOSPC);
}

TEST_CASE("syncing calls of many threads end") {
  SyncErrors errors;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&errors, t] {
      for (int i = 0; i < 2000; ++i) {
        SyncErrors::Call call(errors);
        if ((i + t) % 3 != 0 && call.end() != 0) std::abort();
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(errors.waiting() == 0);
  CHECK(SyncErrors::Call(errors).end() == 0);
}
