// What the filter cache does so that nothing that was written is lost, also when others come, go and fail meanwhile.
#include <fstream>
#include <thread>

#include "cache_over.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;
using ::testing::Scratch;

TEST_CASE("cache: back: FUA is durable also when another connection writes a part of it back meanwhile") {
  CacheOver over(back({{"size", "8M"}}), 3 << 20);
  const auto device = over.layer->open_over(over.flaky), other = over.layer->open_over(over.flaky);
  over.disk.fail(Op::flush, Status::io_error());
  // A write that is kept step by step reads its last unit below in between.
  bool once = true;
  over.flaky.on_read([&] {
    if (std::exchange(once, false)) CHECK(other->flush() == Status::io_error());
  });
  const Bytes written = bytes_of((1 << 20) + 100, 7);
  CHECK(device->write(0, written, Flag::fua).ok());
  CHECK((part(over.disk.durable(), 0, written.size()) == written));
}

TEST_CASE("cache: back: what is dirty is written below when the last writer closes, whoever reads still") {
  CacheOver over(back());
  auto one = over.open(), other = over.open();
  const auto reader = over.layer->open_over(over.disk, true);
  CHECK(one->write(0, bytes_of(4096, 7)).ok());
  one.reset();
  CHECK(over.disk.count(Op::write) == 0);
  other.reset();
  CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 7)));
}

TEST_CASE("cache: back: the flush of a reader is the layer below's") {
  CacheOver over(back({{"max_dirty", "4096"}}));
  const auto device = over.layer->open_over(over.flaky), reader = over.layer->open_over(over.flaky, true);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  over.flaky.fail_one_of(1);
  CHECK(device->write(8192, bytes_of(4096, 8)).failed());
  over.flaky.fail_one_of(0);
  CHECK(reader->flush().ok());
  CHECK(over.disk.count(Op::write) == 0);
  CHECK(over.disk.count(Op::flush) == 1);
  CHECK(device->flush() == Status::io_error());  // it is told to who can write
}

TEST_CASE("cache: back: what cannot be written back keeps nothing else from it") {
  CacheOver over(back());
  const auto device = over.open();
  for (std::uint64_t at = 0; at != 5 * 65536; at += 65536) CHECK(device->write(at, bytes_of(4096, 7)).ok());
  over.disk.forget_calls();
  over.disk.fail_call(1, Status{EREMOTEIO});
  over.disk.fail_call(3, Status::io_error());
  CHECK(device->flush() == Status{EREMOTEIO});
  CHECK(over.disk.count(Op::write) == 5);
  CHECK(over.host.metrics().value("cache_dirty_bytes") == 8192);
  CHECK((part(over.disk.durable(), 4 * 65536, 4096) == bytes_of(4096, 7)));
}

// Two flushes at once, the second of which begins while the first writes the block at 0; there is another at 2 MiB.
struct TwoFlushes {
  explicit TwoFlushes(CacheOver& over) : over_(over), one_(over.open()), other_(over.open()) {
    CHECK(one_->write(0, bytes_of(4096, 7)).ok());
    CHECK(one_->write(2 << 20, bytes_of(4096, 7)).ok());
    over.disk.on_call([this](const ModelDisk::Call& call) { look_at(call); });
    first = one_->flush();
    second_.join();
    over.disk.on_call({});
  }

  Status first, second;
  bool waited = false;  // the second waits for the first with what that writes

 private:
  void look_at(const ModelDisk::Call& call) {
    if (call.op == Op::write && call.offset == 2 << 20) went_on_ = true;
    if (call.op != Op::write || call.offset != 0 || begun_.exchange(true)) return;
    second_ = std::thread([this] {
      second = other_->flush();
      ended_ = true;
    });
    waited = holds_in_time([this] { return ended_ || (went_on_ && over_.host.wait().waiting() == 1); }) && !ended_;
  }
  CacheOver& over_;
  const std::unique_ptr<TestDevice> one_, other_;
  std::atomic<bool> begun_{false}, went_on_{false}, ended_{false};
  std::thread second_;
};

TEST_CASE("cache: back: flushes at once share what there is to write, and each waits for all of it") {
  CacheOver over(back(), 3 << 20);
  const TwoFlushes flushes(over);
  CHECK(flushes.waited);
  CHECK(flushes.first.ok());
  CHECK(flushes.second.ok());
  CHECK(over.disk.count(Op::write) == 2);
  CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 7)));
  CHECK((part(over.disk.durable(), 2 << 20, 4096) == bytes_of(4096, 7)));
}

TEST_CASE("cache: back: of flushes at once each tells of what cannot be written below, whoever has tried") {
  CacheOver over(back(), 3 << 20);
  over.disk.fail(Op::write, Status{EREMOTEIO});
  const TwoFlushes flushes(over);
  CHECK(flushes.waited);
  CHECK(flushes.first == Status{EREMOTEIO});
  CHECK(flushes.second == Status{EREMOTEIO});
  CHECK(over.host.metrics().value("cache_dirty_bytes") == 8192);
}

TEST_CASE("cache: back: a flush below that fails is told by every flush that has not been answered yet") {
  CacheOver over(back());
  const auto one = over.open(), other = over.open();
  CHECK(one->write(0, bytes_of(4096, 7)).ok());
  // What `one` has written is below, and its flush on the way there, when that of `other` fails.
  Status between;
  bool once = true;
  over.disk.on_call([&](const ModelDisk::Call& call) {
    if (call.op == Op::flush && std::exchange(once, false)) between = other->flush();
  });
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(one->flush() == Status{EREMOTEIO});
  CHECK(between == Status{EREMOTEIO});
  CHECK(one->flush().ok());
}

TEST_CASE("cache: back: a flush below that fails is told to each connection that was there, once") {
  CacheOver over(back());
  const auto one = over.open(), other = over.open();
  CHECK(other->write(0, bytes_of(4096, 7)).ok());
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(one->flush() == Status{EREMOTEIO});  // it has written below what the other wrote
  const auto late = over.open();
  CHECK(late->flush().ok());
  CHECK(other->flush() == Status{EREMOTEIO});
  for (const auto* device : {&one, &other, &late}) CHECK((*device)->flush().ok());
  // Nor is it answered by one that was told of it while it was below, and is made without waiting.
  CHECK(other->write(0, bytes_of(4096, 7)).ok());
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(one->flush() == Status{EREMOTEIO});
  Io io(Op::flush, 0, 0, Flag::nowait);
  CHECK(other->process(io) == Status::would_block());
  CHECK(other->flush() == Status{EREMOTEIO});
}

TEST_CASE("cache: back: a flush that does not wait leaves it to one that does to tell of what was lost meanwhile") {
  CacheOver over(back());
  over.disk.geometry().flags |= Flag::nowait;
  const auto one = over.open(), other = over.open();
  Status between;
  bool once = true;
  over.disk.on_call([&](const ModelDisk::Call&) {
    if (std::exchange(once, false)) between = other->flush();
  });
  over.disk.fail_call(0, Status{EREMOTEIO});
  Io io(Op::flush, 0, 0, Flag::nowait);
  CHECK(one->process(io) == Status::would_block());
  CHECK(between == Status{EREMOTEIO});
  CHECK(one->flush() == Status{EREMOTEIO});
  over.disk.fail_call(0, Status{EREMOTEIO});
  CHECK(one->process(io) == Status{EREMOTEIO});
  CHECK(one->flush().ok());
}

TEST_CASE("cache: back: a flush that is cancelled takes nothing from the next one") {
  CacheOver over(back());
  const auto device = over.open();
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(refusal([&] { over.host.control().call_over(over.disk, "write-back"); }) != "");
  over.disk.fail_call(0, Status{ECANCELED});
  CHECK(device->flush() == Status{ECANCELED});
  CHECK(device->flush() == Status{EREMOTEIO});
  CHECK(device->flush().ok());
}

TEST_CASE("cache: back: what was lost below is told to writers also when a reader was told of it there") {
  CacheOver over(back({{"max_dirty", "4096"}}));
  const auto device = over.open(), reader = over.layer->open_over(over.disk, true);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  CHECK(device->write(8192, bytes_of(4096, 8)).ok());  // writes the first below
  CHECK(over.disk.count(Op::write) == 1);
  over.disk.fail_call(0, Status{EREMOTEIO});
  CHECK(reader->flush() == Status{EREMOTEIO});
  CHECK(device->flush() == Status{EREMOTEIO});
  CHECK(device->flush().ok());
  CHECK(reader->flush().ok());
  // A flush that is cancelled says nothing of what was written.
  over.disk.fail_call(0, Status{ECANCELED});
  CHECK(reader->flush() == Status{ECANCELED});
  CHECK(device->flush().ok());
}

TEST_CASE("cache: back: what the verb write-back could not flush is told by the next flush, too") {
  CacheOver over(back());
  const auto device = over.open();
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  over.disk.fail_call(1, Status{EREMOTEIO});
  CHECK(refusal([&] { over.host.control().call_over(over.disk, "write-back"); }) != "");
  CHECK(over.host.metrics().value("cache_dirty_bytes") == 0);
  CHECK(device->flush() == Status{EREMOTEIO});
  CHECK(device->flush().ok());
}

// From now on: a flush of `reader` fails beside the first write below.
void lose_at_the_first_write(CacheOver& over, TestDevice& reader) {
  over.disk.fail_call(0, Status{EREMOTEIO});
  over.disk.on_call([&reader, once = true](const ModelDisk::Call& call) mutable {
    if (call.op == Op::write && std::exchange(once, false)) CHECK(reader.flush() == Status{EREMOTEIO});
  });
}

TEST_CASE("cache: back: the verb write-back tells of what was lost below while it wrote") {
  CacheOver over(back());
  const auto device = over.open(), reader = over.layer->open_over(over.disk, true);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  lose_at_the_first_write(over, *reader);
  CHECK(refusal([&] { over.host.control().call_over(over.disk, "write-back"); }) != "");
  CHECK(over.disk.count(Op::flush) == 2);
}

TEST_CASE("cache: back: what was lost below while the last writer closed is told by the next flush") {
  CacheOver over(back());
  auto device = over.open();
  const auto reader = over.layer->open_over(over.disk, true);
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  lose_at_the_first_write(over, *reader);
  device.reset();
  CHECK(over.disk.count(Op::flush) == 2);
  CHECK(over.host.said("its clients have gone"));
  CHECK(over.open()->flush() == Status{EREMOTEIO});
}

TEST_CASE("cache: back: over a layer without flush, a request comes back with the flags that it had") {
  CacheOver over(back());
  over.disk.geometry().ops = over.disk.geometry().ops.without(Op::flush);
  const auto device = over.open();
  for (const Op op : {Op::zero, Op::trim}) {
    Io io(op, 4096, 4096);
    CHECK(device->process(io).ok());
    CHECK(io.flags() == Flags{});
  }
  CHECK((over.disk.durable() == over.disk.bytes()));
}

TEST_CASE("cache: back: over a layer without flush, what was written is durable after one by FUA") {
  CacheOver over(back());
  over.disk.geometry().ops = over.disk.geometry().ops.without(Op::flush);
  const auto device = over.open();
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  CHECK(device->write(65536, bytes_of(300'000, 8)).ok());  // more than is kept
  CHECK(device->zero(500'000, 4096).ok());
  CHECK(device->trim(600'000, 4096).ok());
  CHECK(device->flush().ok());
  CHECK((over.disk.durable() == over.disk.bytes()));
  CHECK((part(over.disk.durable(), 0, 4096) == bytes_of(4096, 7)));
}

TEST_CASE("cache: a verb whose layers do not fit what is kept is refused") {
  const Scratch scratch;
  std::ofstream(scratch.path("boot.list")) << "900000 90000\n";
  CacheOver over(back({{"warm", scratch.path("boot.list")}}));
  const auto device = over.open();
  CHECK(device->write(0, bytes_of(4096, 7)).ok());
  ModelDisk shorter(500'000), coarser(1'000'448), longer(1'100'000);
  coarser.geometry().minimum = 1024;
  coarser.geometry().preferred = 4096;
  for (const char* verb : {"warm", "write-back"})
    for (ModelDisk* disk : {&shorter, &coarser}) {
      const std::string why = refusal([&] { over.host.control().call_over(*disk, verb); });
      CHECK(why.find("do not fit what is kept") != std::string::npos);
      CHECK(disk->calls().empty());
    }
  CHECK(over.host.control().call_over(longer, "write-back") == "4096 bytes written below\n");
  CHECK((part(longer.durable(), 0, 4096) == bytes_of(4096, 7)));
}

TEST_CASE("cache: a verb under way keeps what it uses when a client with another size comes") {
  const Scratch scratch;
  std::ofstream(scratch.path("boot.list")) << "0 4096\n500000 4096\n";
  CacheOver over(Given{{"warm", scratch.path("boot.list")}});
  static_cast<void>(over.open());  // has gone when the verb comes
  ModelDisk longer(1'100'000);
  longer.fill();
  std::unique_ptr<TestDevice> device;
  over.disk.on_call([&](const ModelDisk::Call&) {
    if (device == nullptr) device = over.layer->open_over(longer);
    CHECK((read_all(*device, 0, 1'100'000) == longer.bytes()));
  });
  CHECK(over.host.control().call_over(over.disk, "warm") == "12288 bytes loaded\n");
  CHECK(over.verb("status").find("used 262144\n") != std::string::npos);  // of the new client
}
