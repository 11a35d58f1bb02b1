// The fakes: a test that trusts them needs them to be right.
#include <ashlar/testing/extent_list.hpp>
#include <ashlar/testing/model_disk.hpp>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {
Status send(ModelDisk& disk, Io io) { return Status{disk.device()->process(disk.device()->self, &io)}; }
Status write(ModelDisk& disk, std::uint64_t offset, std::size_t n, Flags flags = {}) {
  const std::vector<std::byte> bytes(n, std::byte{9});
  return send(disk, Io::write(offset, bytes, flags));
}
}  // namespace

TEST_CASE("the model disk notes every breach of the contract, and does nothing then") {
  ModelDisk disk(4096 + 100);
  disk.geometry().minimum = 512;
  disk.geometry().maximum = 1024;
  disk.geometry().ops = Ops::known().without(Op::cache);
  disk.geometry().flags = Flag::fua;
  const auto before = disk.bytes();
  CHECK(write(disk, 1, 511).failed());
  CHECK(write(disk, 0, 100).failed());
  CHECK(write(disk, 0, 2048).failed());
  CHECK(write(disk, 4096, 101).failed());
  CHECK(write(disk, 4608, 512).failed());
  CHECK(write(disk, 0, 512, Flag::may_trim).failed());
  CHECK(send(disk, Io(Op::cache, 0, 512)).failed());
  CHECK(send(disk, Io(Op::write, 0, 512)).failed());
  CHECK(send(disk, Io(Op::trim, 0, 0)).failed());
  CHECK(send(disk, Io(Op::flush, 0, 512)).failed());
  CHECK(send(disk, Io(Op::extents, 0, 512)).failed());
  CHECK(disk.breaches().size() == 11);
  CHECK(disk.breaches().front() == "write 511@1: does not start on a block");
  CHECK(disk.bytes() == before);
  CHECK(write(disk, 4096, 100).ok());
  CHECK(disk.breaches().size() == 11);
}

TEST_CASE("the model disk loses what was neither flushed nor written with FUA") {
  ModelDisk disk(1024);
  CHECK(write(disk, 0, 256, Flag::fua).ok());
  CHECK(write(disk, 256, 256).ok());
  CHECK(disk.durable()[255] == std::byte{9});
  CHECK(disk.durable()[256] == std::byte{0});
  CHECK(send(disk, Io(Op::flush, 0, 0)).ok());
  CHECK(disk.durable() == disk.bytes());
}

TEST_CASE("the model disk fails as told") {
  ModelDisk disk(1024);
  disk.fail_call(1, Status::io_error());
  CHECK(write(disk, 0, 1).ok());
  CHECK(write(disk, 0, 1) == Status::io_error());
  CHECK(write(disk, 0, 1).ok());
  disk.fail(Op::write, Status::no_space());
  CHECK(write(disk, 0, 1) == Status::no_space());
  CHECK(send(disk, Io(Op::flush, 0, 0)).ok());
  CHECK(disk.count(Op::write) == 4);
}

TEST_CASE("the model disk knows what is a hole and what is zero") {
  ModelDisk disk(1024);
  CHECK(write(disk, 256, 256).ok());
  CHECK(send(disk, Io(Op::zero, 512, 256)).ok());
  CHECK(send(disk, Io(Op::trim, 768, 128)).ok());
  ExtentList list;
  Io io(Op::extents, 0, 1024);
  io.set_sink(&list);
  CHECK(send(disk, io).ok());
  CHECK(list.extents() == std::vector<ListedExtent>{{256, Extent::sparse},
                                                    {256, Extent::allocated},
                                                    {256, Extent::zero},
                                                    {128, Extent::hole},
                                                    {128, Extent::sparse}});
}
