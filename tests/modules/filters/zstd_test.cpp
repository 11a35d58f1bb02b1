// The guarantees of the filter zstd (filters/zstd/README.md), and those of what it shares with xz.
#include <pthread.h>
#include <zstd.h>

#include "catch.hpp"
#include "packed.hpp"
#define XXH_INLINE_ALL
#include <xxhash.h>

using namespace ashlar;
using namespace ashlar::testing;

namespace {

struct Packing {
  std::size_t frame = 65536;
  bool states_size = true;
  bool checksum = true;
};

std::vector<Bytes> frames_of(const Bytes& disk, Packing how = {}) {
  std::vector<Bytes> frames;
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, how.states_size);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, how.checksum);
  for (std::size_t at = 0; at < disk.size(); at += how.frame) {
    const std::size_t n = std::min(how.frame, disk.size() - at);
    Bytes frame(ZSTD_compressBound(n));
    frame.resize(ZSTD_compress2(context, frame.data(), frame.size(), disk.data() + at, n));
    frames.push_back(std::move(frame));
  }
  ZSTD_freeCCtx(context);
  return frames;
}

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& one : parts) all.insert(all.end(), one.begin(), one.end());
  return all;
}

void append(Bytes& to, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i != bytes; ++i) to.push_back(static_cast<std::byte>(number >> 8 * i));
}

// What stands in a seek table, to be changed.
struct Entry {
  std::uint64_t packed, length, sum;
};
std::vector<Entry> entries_of(const Bytes& disk, const std::vector<Bytes>& frames, std::size_t frame = 65536) {
  std::vector<Entry> entries;
  for (std::size_t i = 0; i != frames.size(); ++i) {
    const std::size_t n = std::min(frame, disk.size() - i * frame);
    entries.push_back({frames[i].size(), n, XXH64(disk.data() + i * frame, n, 0) & 0xffffffff});
  }
  return entries;
}
Bytes with_table(const std::vector<Bytes>& frames, const std::vector<Entry>& entries, bool sums = true,
                 std::uint64_t count = UINT64_MAX, unsigned descriptor = 0) {
  Bytes file = joined(frames);
  append(file, 0x184d2a5e, 4);
  append(file, entries.size() * (sums ? 12 : 8) + 9, 4);
  for (const Entry& entry : entries) {
    append(file, entry.packed, 4);
    append(file, entry.length, 4);
    if (sums) append(file, entry.sum, 4);
  }
  append(file, count == UINT64_MAX ? entries.size() : count, 4);
  append(file, descriptor | (sums ? 0x80 : 0), 1);
  append(file, 0x8f92eab1, 4);
  return file;
}

bool holds(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("zstd: frames with a seek table, and those that state their size") {
  const Bytes disk = some_disk(1'000'001);
  auto frames = frames_of(disk);
  const auto entries = entries_of(disk, frames);
  Bytes skipped;
  append(skipped, 0x184d2a53, 4);
  append(skipped, 5, 4);
  append(skipped, 12345, 5);
  std::vector<Bytes> amid = frames;
  amid.insert(amid.begin() + 3, skipped);
  amid.push_back(skipped);
  for (const Bytes& file :
       {with_table(frames, entries), with_table(frames, entries, false), joined(frames), joined(amid),
        with_table(frames_of(disk, {.states_size = false, .checksum = false}),
                   entries_of(disk, frames_of(disk, {.states_size = false, .checksum = false}))),
        joined(frames_of(disk, {.frame = 200, .checksum = false}))}) {
    OverPacked over(file, Given{{"cache", "1M"}, {"max_frame", "128K"}});
    const auto device = over.open();
    CHECK(device->geometry().size == disk.size());
    CHECK(device->geometry().read_only);
    CHECK(device->geometry().ops == (Op::read | Op::cache));
    CHECK(read_all(*device, 0, disk.size()) == disk);
    CHECK(reads_right(over, disk));
    CHECK(over.disk.breaches().empty());
  }
}

TEST_CASE("zstd: over a layer of blocks that takes little at once") {
  const Bytes disk = some_disk(500'000);
  Bytes file = joined(frames_of(disk));
  OverPacked over(file);
  over.disk.geometry().minimum = 512;
  over.disk.geometry().preferred = 512;
  over.disk.geometry().maximum = 1024;
  CHECK(read_all(*over.open(), 0, disk.size()) == disk);
  CHECK(over.disk.breaches().empty());
}

TEST_CASE("zstd: a frame is read and unpacked once for all who want it") {
  const Bytes disk = some_disk(300'000);
  OverPacked over(joined(frames_of(disk)));
  const auto device = over.open();
  over.disk.forget_calls();
  std::atomic<bool> waited{false};
  over.disk.on_call([&](const Call&) { waited = holds_in_time([&] { return over.host.wait().waiting() == 3; }); });
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (std::size_t t = 0; t != 4; ++t)
    threads.emplace_back([&, t] { right += read_all(*device, t * 1000, 900) == part(disk, t * 1000, 900); });
  for (std::thread& thread : threads) thread.join();
  CHECK(waited);
  CHECK(right == 4);
  CHECK(over.disk.calls().size() == 1);
  over.disk.on_call({});
  Bytes into(65536);
  CHECK(device->read(0, into, Flag::nowait).ok());
  CHECK(device->read(1, into, Flag::nowait) == Status::would_block());
  CHECK(over.disk.calls().size() == 1);
}

TEST_CASE("zstd: frames that are asked for in order are unpacked before, and read together") {
  const Bytes disk = some_disk(4'000'000);
  OverPacked over(joined(frames_of(disk)));
  const auto device = over.open();
  over.disk.forget_calls();
  for (std::uint64_t at = 0; at != disk.size(); at += 32'000)
    CHECK(read_all(*device, at, 32'000) == part(disk, at, 32'000));
  CHECK(over.disk.calls().size() < 12);  // of 62
  CHECK(over.host.metrics().value("frames_ahead") > 50);
  OverPacked other(joined(frames_of(disk)));
  const auto random = other.open();
  for (const std::uint64_t frame : {9, 3, 30, 12, 50}) read_all(*random, frame * 65536, 10);
  CHECK(other.host.metrics().value("frames_ahead") == 0);
}

TEST_CASE("zstd: a frame that a request finds stays while others are unpacked ahead") {
  const Bytes disk = some_disk(4'000'000);
  const Bytes file = joined(frames_of(disk));
  // After some of these, frame 2 is what was not used for the longest time, and there is no room for others.
  for (std::uint64_t others = 9; others != 16; ++others) {
    OverPacked over(file, Given{{"cache", "1M"}, {"max_frame", "128K"}});
    const auto device = over.open();
    const auto look = [&](std::uint64_t frame) {
      CHECK(read_all(*device, frame * 65536, 10) == part(disk, frame * 65536, 10));
    };
    for (const std::uint64_t frame : {4, 0, 1}) look(frame);  // 2 and 3 are unpacked ahead
    for (std::uint64_t i = 0; i != others; ++i) look(12 + 2 * i);
    look(1);
    look(2);
    Bytes into(10);
    CHECK(device->read(2 * 65536, into, Flag::nowait).ok());
  }
}

TEST_CASE("zstd: what cannot be read ahead is nobody's error") {
  const Bytes disk = some_disk(1'000'000);
  OverPacked over(joined(frames_of(disk)));
  const auto device = over.open();
  read_all(*device, 0, 10);
  over.disk.forget_calls();
  over.disk.fail_call(0, Status::io_error());
  CHECK(read_all(*device, 65536, 100) == part(disk, 65536, 100));
  CHECK(over.disk.calls().size() == 2);
  CHECK(read_all(*device, 131072, 100'000) == part(disk, 131072, 100'000));
  over.disk.fail(Op::read, Status{EREMOTEIO});
  OverPacked other(joined(frames_of(disk)));
  const auto opened = other.open();
  other.disk.fail(Op::read, Status{EREMOTEIO});
  Bytes into(10);
  CHECK(opened->read(0, into) == Status{EREMOTEIO});
}

TEST_CASE("zstd: a read below that fails for one request is no error of others who want the frame") {
  const Bytes disk = some_disk(300'000);
  OverPacked over(joined(frames_of(disk)));
  const auto device = over.open();
  over.disk.forget_calls();
  over.disk.fail_call(0, Status{ECANCELED});
  std::atomic<bool> first{true}, waited{false};
  over.disk.on_call([&](const Call&) {
    if (first.exchange(false)) waited = holds_in_time([&] { return over.host.wait().waiting() == 3; });
  });
  std::vector<std::thread> threads;
  std::atomic<int> right{0}, failed{0};
  for (std::size_t t = 0; t != 4; ++t)
    threads.emplace_back([&, t] {
      Bytes into(900);
      const Status s = device->read(t * 1000, into);
      failed += s == Status{ECANCELED};
      right += s.ok() && into == part(disk, t * 1000, 900);
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(waited);
  CHECK(failed == 1);
  CHECK(right == 3);
}

TEST_CASE("zstd: what nobody wants any more is given up") {
  const Bytes disk = some_disk(1'000'000);
  const Bytes file = joined(frames_of(disk));
  Bytes into(900'000);
  const auto calls_until_given_up = [&](auto ask) {
    OverPacked over(file);
    const auto device = over.open();
    read_all(*device, 0, 10);
    over.disk.forget_calls();
    over.disk.on_call([&](const Call&) { over.host.wait().cancel(); });
    CHECK(ask(over, *device) == Status{ECANCELED});
    return over.disk.calls().size();
  };
  CHECK(calls_until_given_up([&](OverPacked&, TestDevice& device) { return device.read(0, into); }) == 1);
  CHECK(calls_until_given_up([&](OverPacked&, TestDevice& device) { return device.cache(0, 900'000); }) == 1);
  // Not read again without those ahead.
  CHECK(calls_until_given_up([&](OverPacked& over, TestDevice& device) {
          over.disk.fail_call(0, Status{ECANCELED});
          return device.read(65536, std::span(into).first(10));
        }) == 1);
}

TEST_CASE("zstd: frames are read together only where little lies between them") {
  const Bytes disk = some_disk(2'000'000);
  auto frames = frames_of(disk);
  Bytes skipped;
  append(skipped, 0x184d2a53, 4);
  append(skipped, 9 << 20, 4);
  skipped.resize(skipped.size() + (9 << 20));
  frames.insert(frames.begin() + 3, skipped);
  OverPacked over(joined(frames));
  const auto device = over.open();
  over.disk.forget_calls();
  CHECK(read_all(*device, 0, disk.size()) == disk);
  for (const Call& call : over.disk.calls()) CHECK(call.length <= 8 << 20);
}

TEST_CASE("zstd: that there can be no thread is no answer to nowait") {
  const Bytes disk = some_disk(100'000);
  OverPacked over(joined(frames_of(disk)));
  const auto device = over.open();
  pthread_attr_t usual{}, huge{};
  REQUIRE(pthread_getattr_default_np(&usual) == 0);
  REQUIRE(pthread_attr_init(&huge) == 0);
  REQUIRE(pthread_attr_setstacksize(&huge, std::size_t{1} << 50) == 0);
  REQUIRE(pthread_setattr_default_np(&huge) == 0);
  Bytes into(10);
  const Status s = device->read(0, into);
  CHECK(pthread_setattr_default_np(&usual) == 0);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&usual);
  CHECK(s == Status{ENOMEM});
  CHECK(device->read(0, into).ok());
}

TEST_CASE("zstd: who copies much gets whole frames straight to their place, and the others as ever") {
  const Bytes disk = some_disk(6'000'000);
  Bytes file = joined(frames_of(disk));
  OverPacked over(file);
  const auto device = over.open();
  read_all(*device, 10 * 65536, 10);
  over.disk.forget_calls();
  CHECK(read_all(*device, 1000, 5'000'000) == part(disk, 1000, 5'000'000));
  CHECK(over.disk.calls().size() == 4);  // the parts of frames at both ends, and what is around the one that was there
  Bytes into(10);
  CHECK(device->read(10 * 65536, into, Flag::nowait).ok());
  CHECK(device->read(12 * 65536, into, Flag::nowait) == Status::would_block());
  CHECK(reads_right(over, disk));
  OverPacked failing(file);
  const auto other = failing.open();
  failing.disk.fail(Op::read, Status{EREMOTEIO});
  Bytes much(3'000'000);
  CHECK(other->read(0, much) == Status{EREMOTEIO});
  file[file.size() / 2] ^= std::byte{1};
  OverPacked damaged(file);
  Bytes all(disk.size());
  CHECK(damaged.open()->read(0, all) == Status::io_error());
}

TEST_CASE("zstd: the request CACHE unpacks") {
  const Bytes disk = some_disk(300'000);
  OverPacked over(joined(frames_of(disk)));
  const auto device = over.open();
  CHECK(device->cache(0, 131072).ok());
  Bytes into(131072);
  CHECK(device->read(0, into, Flag::nowait).ok());
}

TEST_CASE("zstd: files that cannot be served are refused, with the command that makes a good one") {
  const Bytes disk = some_disk(3'000'000);
  const Given small{{"cache", "2M"}, {"max_frame", "1M"}};
  const std::string one = refusal(joined(frames_of(disk, {.frame = disk.size()})), small);
  CHECK(holds(one, "the frame at byte 0 has 3000000 bytes when it is unpacked, more than max_frame = 1048576"));
  CHECK(holds(one, "split -b 1M -a 8 --filter="));
  const std::string alone = refusal(joined(frames_of(disk, {.frame = disk.size()})));
  CHECK(holds(alone, "all of its 3000000 bytes are in one frame"));
  CHECK(holds(alone, "split -b 1M -a 8 --filter="));
  CHECK(refusal(joined(frames_of(some_disk(1 << 20), {.frame = 1 << 20}))).empty());
  CHECK(holds(refusal(joined(frames_of(disk, {.states_size = false}))),
              "at byte 0 is a frame that does not state its size"));
  CHECK(holds(refusal(disk), "at byte 0 is no frame of zstd"));
  CHECK(holds(refusal(Bytes{}), "the file is empty"));
  CHECK(holds(refusal(Bytes{}, Given{{"cache", "1M"}}), "more than half of cache"));
  Bytes file = joined(frames_of(disk));
  file.resize(file.size() - 1);
  CHECK(refusal(file) == "the file is cut at byte " + std::to_string(file.size()) + ", in the middle of a frame");
  file.resize(file.size() + 1);
  const Bytes whole = file;
  file.resize(file.size() + 2);
  CHECK(refusal(file) == "the file is cut at byte " + std::to_string(file.size()) + ", in the middle of a frame");
  file.resize(file.size() + 2);
  CHECK(refusal(file) == "the file is damaged: at byte " + std::to_string(whole.size()) + " is no frame of zstd");
  file.resize(3);
  CHECK(holds(refusal(file), "at byte 0 is no frame of zstd"));
  Bytes huge;
  append(huge, 0xfd2fb528, 4);
  append(huge, 0xe0, 1);
  append(huge, UINT64_MAX, 8);
  append(huge, 1 | 1 << 1 | 100 << 3, 3);
  append(huge, 0, 1);
  CHECK(holds(refusal(huge), "has 18446744073709551615 bytes when it is unpacked"));
}

TEST_CASE("zstd: a seek table that does not fit is refused, and no other way of packing is told of") {
  const Bytes disk = some_disk(300'000);
  const auto frames = frames_of(disk);
  auto entries = entries_of(disk, frames);
  CHECK(refusal(with_table(frames, entries)) == "");
  CHECK(holds(refusal(with_table(frames, entries, true, 0xffffffff)), "is to have 4294967295 entries"));
  CHECK(holds(refusal(with_table(frames, entries, true, 3)), "does not begin at byte"));
  CHECK(holds(refusal(with_table(frames, entries, true, 5, 4)), "of a kind that is not known"));
  entries[1].length = 0xffffffff;
  CHECK(holds(refusal(with_table(frames, entries)), "has 4294967295 bytes when it is unpacked"));
  entries[1].length = 1;
  CHECK(refusal(with_table(frames, entries)) == "");  // see below
  entries = entries_of(disk, frames);
  entries[1].packed += 1;
  CHECK(holds(refusal(with_table(frames, entries)), "are longer than the file"));
  entries[1].packed -= 2;
  CHECK(holds(refusal(with_table(frames, entries)), "in it end at byte"));
  CHECK_FALSE(holds(refusal(with_table(frames, entries)), "split"));
  entries[1].packed = 0;
  CHECK(holds(refusal(with_table(frames, entries)), "cannot be 65536 bytes packed"));
  CHECK_FALSE(holds(refusal(with_table(frames, entries)), "split"));
}

TEST_CASE("zstd: a seek table that lies about a frame gives errors, and no wrong bytes of it") {
  const Bytes disk = some_disk(300'000);
  const auto frames = frames_of(disk, {.checksum = false});
  const auto honest = entries_of(disk, frames);
  const auto lie = [&](auto change, bool sums = true) {
    auto entries = honest;
    change(entries);
    OverPacked over(with_table(frames, entries, sums));
    const auto device = over.open();
    bool right = true;
    const Bytes shown = part(disk, 0, std::min<std::size_t>(device->geometry().size, disk.size()));
    const std::uint64_t lost = unreadable(*device, shown, right);
    CHECK(right);
    return lost;
  };
  CHECK(lie([](auto&) {}) == 0);
  CHECK(lie([](auto& e) { e[2].sum ^= 1; }) > 0);
  CHECK(lie([](auto& e) { e[2].sum ^= 1; }, false) == 0);
  for (const int by : {1, -1}) {
    CHECK(lie([by](auto& e) { e[1].length += by; }) > 200'000);
    CHECK(lie([by](auto& e) { e[1].packed += by, e[2].packed -= by; }) > 100'000);
  }
}

TEST_CASE("zstd: damaged frames are errors, and the others are served") {
  const Bytes disk = some_disk(300'000);
  check_damage(joined(frames_of(disk)), disk);
}
