// What a stop that is given no time to make a kept overlay durable leaves to the next start: all that was acknowledged,
// as long as the machine has not gone down.
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "../../unit/full_disk.hpp"
#include "cow_over.hpp"
#include "store.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

enum class Syncs { done, held, slow, failing };
std::atomic<Syncs> syncs{Syncs::done};
std::atomic<unsigned> done_first{0};                // of those that are held, and of the writes
std::atomic<off_t> writes_held{INT64_MAX};          // those to there, and behind it
std::atomic<bool> map_is_full{false};               // as where the file system writes in another place each time
std::atomic<bool> is_slow{false};                   // one waits until they are no more
std::atomic<bool>* is_held = nullptr;               // shared with the process that does so
constexpr std::uint64_t head = 8 + 40 + 8 + 8 + 8;  // of a tail: magic, boot, serial number, pages, checksum

[[noreturn]] void hold() {
  *is_held = true;
  for (;;) ::pause();
}

}  // namespace

// Of the test's program.
extern "C" ssize_t pwritev2(int fd, const iovec* parts, int count, off_t at, int flags) {
  if (map_is_full && at == 4096) {
    errno = ENOSPC;
    return -1;
  }
  if (at >= writes_held && done_first-- == 0) hold();
  return ::syscall(SYS_pwritev2, fd, parts, count, at, off_t{0}, flags);
}
extern "C" int fdatasync(int fd) {
  if (syncs == Syncs::failing) {
    errno = EIO;
    return -1;
  }
  for (; syncs == Syncs::slow; std::this_thread::sleep_for(std::chrono::milliseconds(1))) is_slow = true;
  if (syncs == Syncs::held && done_first-- == 0) hold();
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace {

class Kept : public Over {
 public:
  Kept() : Over(per_export()) {
    given[1] = {"path", path()};
    if (is_held == nullptr) {
      void* const memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      REQUIRE(memory != MAP_FAILED);
      is_held = new (memory) std::atomic<bool>();
    }
    start();
    expected = before;
    {
      const auto device = layer->open_over(disk);
      change(*device, 8192, 5);
    }
    start();  // which has flushed it
    end = bytes();
  }
  std::string path() const { return scratch.path("overlay.cow"); }
  std::uint64_t bytes() const { return std::filesystem::file_size(path()); }
  std::uint64_t tail_at() const { return (end + 4095) / 4096 * 4096; }
  // Writes a block, as clients see it from now on.
  void change(const TestDevice& device, std::uint64_t at, unsigned value) {
    put(expected, at, bytes_of(block, value));
    if (device.write(at, bytes_of(block, value)).failed()) ::_exit(2);
  }
  // A process that begins with a layer over the disk, and `use`s it. It is killed where its end would wait for the
  // disk, when that has made durable so much of it.
  void stop_without_time(const std::function<void(const TestDevice&)>& use, unsigned durable = 0) {
    layer.reset();
    *is_held = false;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      {
        const TestLayer one(own_module(), host, given);
        const auto device = one.open_over(disk);
        use(*device);
        done_first = durable;
        syncs = Syncs::held;
      }
      ::_exit(3);
    }
    CHECK(holds_in_time([] { return is_held->load(); }));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    start();
  }
  // Over a disk that has room for the header, and not for the map.
  void break_off_a_discard() {
    layer.reset();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const TestLayer one(own_module(), host, given);
      const auto device = one.open_over(disk);
      const FullDisk limited(4096);  // the header can be written, but not the map
      try {
        host.control().call("discard");
      } catch (const Refused&) {
        ::_exit(0);
      }
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    Header found;
    REQUIRE(Store::look(path(), found));
    REQUIRE(found.state == Header::State::discarding);
  }
  // Whether behind the end there is something that could count.
  bool has_tail() const {
    char first = 0;
    std::ifstream in(path(), std::ios::binary);
    in.seekg(static_cast<std::streamoff>(tail_at()));
    return in.get(first) && first != 0;
  }
  // To one block, which is not in `expected`.
  void lose_one_block() {
    stop_without_time([&](const TestDevice& device) { static_cast<void>(device.write(0, bytes_of(block, 7))); });
    CHECK(bytes() == tail_at() + head + 8 + 4096);
  }
  void shows_expected() {
    start();
    {
      const auto device = layer->open_over(disk);
      CHECK(differs_at(*device) == none);  // on trial, as it is
      CHECK(device->flush().ok());
      CHECK(differs_at(*device) == none);
      CHECK_FALSE(has_tail());
    }
    start();
    CHECK(differs_at(*layer->open_over(disk)) == none);
    CHECK(bytes() == end);
  }

  static constexpr std::ptrdiff_t none = 300001;
  std::ptrdiff_t differs_at(const TestDevice& device) const {
    const Bytes found = read_all(device, 0, expected.size());
    return std::mismatch(found.begin(), found.end(), expected.begin()).first - found.begin();
  }

  Bytes expected;
  std::uint64_t end = 0;
};

Bytes bytes_in(const std::string& path, std::uint64_t at, std::uint64_t n) {
  Bytes bytes(n);
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(at));
  REQUIRE(in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(n)));
  return bytes;
}

void put_into(const std::string& path, std::uint64_t at, const Bytes& bytes) {
  std::fstream out(path, std::ios::binary | std::ios::in | std::ios::out);
  out.seekp(static_cast<std::streamoff>(at));
  REQUIRE(out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())));
}

// With the checksum that it has then. Twice: the boot is the same again.
Bytes of_another_boot(Bytes tail) {
  tail[8] ^= std::byte{1};
  std::uint64_t sum = 0xcbf29ce484222325;
  for (std::size_t i = 0; i != tail.size(); ++i)
    if (i < head - 8 || i >= head) sum = (sum ^ static_cast<std::uint64_t>(tail[i])) * 0x100000001b3;
  std::memcpy(tail.data() + head - 8, &sum, 8);
  return tail;
}

}  // namespace

TEST_CASE("cow: what was acknowledged is there after a stop that was left no time") {
  for (const unsigned durable : {0, 1}) {
    Kept over;
    over.stop_without_time(
        [&](const TestDevice& device) {
          if (device.write(0, bytes_of(block, 7)).failed()) ::_exit(2);
          if (device.zero(40960, 8192, Flag::may_trim).failed()) ::_exit(2);
        },
        durable);
    put(over.expected, 0, bytes_of(block, 7));
    std::fill(over.expected.begin() + 40960, over.expected.begin() + 49152, std::byte{0});
    over.shows_expected();
  }
}

TEST_CASE("cow: what was acknowledged is there after a stop that did not wait for a flush under way") {
  for (const unsigned durable : {0, 1}) {
    Kept over;
    over.stop_without_time([&](const TestDevice& device) {
      if (device.write(0, bytes_of(block, 7)).failed()) ::_exit(2);
      done_first = durable;
      syncs = Syncs::held;
      static_cast<void>(device.flush());
    });
    put(over.expected, 0, bytes_of(block, 7));
    over.shows_expected();
  }
}

TEST_CASE("cow: what was acknowledged to a client that has left is there after the server was killed") {
  Kept over;
  over.stop_without_time([&](const TestDevice&) {
    const TestLayer one(own_module(), over.host, over.given);
    {
      const auto device = one.open_over(over.disk);
      if (device->write(0, bytes_of(block, 7)).failed()) ::_exit(2);
    }
    hold();
  });
  put(over.expected, 0, bytes_of(block, 7));
  over.shows_expected();
}

TEST_CASE("cow: what a client has left during the flush of another is there after the server was killed behind it") {
  Kept over;
  over.stop_without_time([&](const TestDevice&) {
    const TestLayer one(own_module(), over.host, over.given);
    const auto other = one.open_over(over.disk);
    if (other->write(20480, bytes_of(block, 7)).failed()) ::_exit(2);
    syncs = Syncs::slow;
    std::thread flush([&] {
      if (other->flush().failed()) ::_exit(2);
    });
    while (!is_slow) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (one.open_over(over.disk)->write(0, bytes_of(block, 7)).failed()) ::_exit(2);
    syncs = Syncs::done;
    flush.join();
    hold();
  });
  put(over.expected, 20480, bytes_of(block, 7));
  put(over.expected, 0, bytes_of(block, 7));
  over.shows_expected();
}

TEST_CASE("cow: what a client has left is there until what another leaves is whole") {
  for (const unsigned written : {0, 1, 2}) {
    Kept over;
    over.stop_without_time([&](const TestDevice&) {
      const TestLayer one(own_module(), over.host, over.given);
      const auto leave = [&](std::uint64_t at) {
        if (one.open_over(over.disk)->write(at, bytes_of(block, 7)).failed()) ::_exit(2);
      };
      leave(0);
      done_first = written;
      writes_held = static_cast<off_t>(over.tail_at());
      leave(20480);
    });
    put(over.expected, 0, bytes_of(block, 7));
    over.shows_expected();
  }
}

TEST_CASE("cow: what a client has left stays where a disk that has become full has no room for what another leaves") {
  Kept over;
  over.stop_without_time([&](const TestDevice&) {
    const TestLayer one(own_module(), over.host, over.given);
    const auto leave = [&](std::uint64_t at) {
      if (one.open_over(over.disk)->write(at, bytes_of(block, 7)).failed()) ::_exit(2);
    };
    leave(0);
    const FullDisk limited(over.tail_at() + head + 8 + 4096);
    leave(20480);
    hold();
  });
  put(over.expected, 0, bytes_of(block, 7));
  over.shows_expected();
}

TEST_CASE("cow: what a stop has left is there until it is flushed, after another such stop, too") {
  Kept over;
  over.lose_one_block();
  put(over.expected, 0, bytes_of(block, 7));
  over.stop_without_time([](const TestDevice& device) {
    if (device.write(20480, bytes_of(block, 9)).failed()) ::_exit(2);
  });
  put(over.expected, 20480, bytes_of(block, 9));
  over.shows_expected();
}

TEST_CASE("cow: what was left in another boot does not count") {
  Kept over;
  over.lose_one_block();
  const Bytes tail = bytes_in(over.path(), over.tail_at(), head + 8 + 4096);
  put_into(over.path(), over.tail_at(), of_another_boot(tail));
  over.shows_expected();
  // It is the boot alone that tells.
  over.layer.reset();
  put_into(over.path(), over.tail_at(), of_another_boot(of_another_boot(tail)));
  put(over.expected, 0, bytes_of(block, 7));
  over.shows_expected();
}

TEST_CASE("cow: what was left in part does not count") {
  for (const bool cut : {false, true}) {
    Kept over;
    over.lose_one_block();
    if (cut) {
      std::filesystem::resize_file(over.path(), over.bytes() - 1);
    } else {
      Bytes one = bytes_in(over.path(), over.bytes() - 1, 1);
      one[0] ^= std::byte{1};
      put_into(over.path(), over.bytes() - 1, one);
    }
    over.shows_expected();
  }
}

TEST_CASE("cow: on a full disk a stop that was left no time leaves what was flushed") {
  Kept over;
  over.stop_without_time([&](const TestDevice& device) {
    static_cast<void>(device.write(0, bytes_of(block, 7)));
    static const FullDisk limited(over.tail_at() + 100);
  });
  CHECK(over.bytes() == over.end);
  over.shows_expected();
}

TEST_CASE("cow: where the disk has failed a stop leaves nothing that may tell of data that are lost") {
  Kept over;
  {
    const auto device = over.layer->open_over(over.disk);
    CHECK(device->write(0, bytes_of(block, 7)).ok());
    syncs = Syncs::failing;
  }
  over.layer.reset();
  syncs = Syncs::done;
  CHECK(over.host.said("what was not flushed is lost"));
  over.shows_expected();
  over.stop_without_time([&](const TestDevice& device) {
    static_cast<void>(device.write(0, bytes_of(block, 7)));
    syncs = Syncs::failing;
    if (device.flush().ok()) ::_exit(2);
    hold();
  });
  over.shows_expected();
}

TEST_CASE("cow: where the map cannot be written at a stop, what was written is there at the next start") {
  Kept over;
  CHECK(over.layer->open_over(over.disk)->write(0, bytes_of(block, 7)).ok());
  map_is_full = true;
  over.layer.reset();
  map_is_full = false;
  CHECK(over.host.said("what was not flushed lasts until the machine goes down"));
  put(over.expected, 0, bytes_of(block, 7));
  over.shows_expected();
}

TEST_CASE("cow: where the end of a commit cannot be made durable nothing is left that may tell of data that are lost") {
  Kept over;
  const auto device = over.layer->open_over(over.disk);
  CHECK(device->write(0, bytes_of(block, 7)).ok());
  bool has_left = false;
  over.disk.on_call([&](const Call& call) {  // it looks at what the base is now
    if (has_left || call.op != Op::read) return;
    has_left = true;
    CHECK(over.layer->open_over(over.disk)->write(20480, bytes_of(block, 7)).ok());
    CHECK(over.has_tail());
    syncs = Syncs::failing;
  });
  CHECK_THROWS_AS(over.host.control().call_over(over.disk, "commit"), Refused);
  syncs = Syncs::done;
  CHECK(has_left);
  CHECK_FALSE(over.has_tail());
}

TEST_CASE("cow: what a stop has left is discarded, also by a discard that was broken off") {
  Kept over;
  over.lose_one_block();
  over.break_off_a_discard();
  CHECK(over.bytes() > over.end);
  over.expected = over.before;
  over.shows_expected();
}

TEST_CASE("cow: a start that has failed knows nothing of what another server has discarded since") {
  Kept over;
  over.break_off_a_discard();
  over.start();
  const auto device = over.layer->open_over(over.disk);
  syncs = Syncs::failing;
  CHECK(device->flush().failed());
  syncs = Syncs::done;
  {
    const TestLayer other(own_module(), over.host, over.given);
    CHECK(other.open_over(over.disk)->flush().ok());
  }
  CHECK(device->flush().ok());
  over.expected = over.before;
  CHECK(over.differs_at(*device) == Kept::none);
}
