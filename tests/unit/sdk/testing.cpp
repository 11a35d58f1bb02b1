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
  CHECK(disk.breaches().front() == "write 511@1: it does not start on a block");
  CHECK(disk.bytes() == before);
  CHECK(write(disk, 4096, 100).ok());
  CHECK(disk.breaches().size() == 11);
}

TEST_CASE("the model disk takes what an op carries and asks for, and no more") {
  ModelDisk disk(4096);
  disk.geometry().flags = Flag::promises | Flag::shortcuts;
  std::vector<std::byte> bytes(512);
  ExtentList list;
  const auto breach = [&](Io io) {
    const std::size_t before = disk.breaches().size();
    static_cast<void>(send(disk, io));
    return disk.breaches().size() == before ? "" : disk.breaches().back().substr(disk.breaches().back().find(": ") + 2);
  };
  const auto with_sink = [&](Io io) {
    io.set_sink(&list);
    return io;
  };
  const auto with_data = [&](Io io) {
    io.data = bytes.data();
    return io;
  };
  const auto lent = [&](Io io) {
    io.lend(0, 0);
    return io;
  };
  CHECK(breach(Io::read(0, bytes, Flag::fua)) == "a flag that the op does not have");
  CHECK(breach(Io::write(0, bytes, Flag::may_trim)) == "a flag that the op does not have");
  CHECK(breach(Io(Op::trim, 0, 512, Flag::fast)) == "a flag that the op does not have");
  CHECK(breach(Io(Op::zero, 0, 512, Flag::req_one)) == "a flag that the op does not have");
  CHECK(breach(Io(Op::flush, 0, 0, Flag::fua)) == "a flag that the op does not have");
  CHECK(breach(Io(Op::flush, 512, 0)) == "a flush with a range");
  CHECK(breach(Io(Op::cache, 0, 512, Flag::may_lend)) == "a flag that the op does not have");
  CHECK(breach(with_sink(Io(Op::extents, 0, 512, Flag::fua))) == "a flag that the op does not have");
  CHECK(breach(Io::read(0, bytes, Flag::may_lend | Flag::may_lend_cold)) ==
        "may_lend_cold without nowait and may_lend");
  CHECK(breach(Io(Op::read, 0, 512, Flag::may_lend | Flag::lend_only)) == "lend_only without nowait and may_lend");
  CHECK(breach(with_data(Io::lend_only(0, 512))) == "data, although they may only be lent");
  CHECK(breach(with_data(Io(Op::zero, 0, 512))) == "data that it does not carry");
  CHECK(breach(with_sink(Io::read(0, bytes))) == "a sink that it has no use for");
  CHECK(breach(Io::read(0, bytes, Flag::may_hole)) == "no sink");
  CHECK(breach(lent(Io::read(0, bytes, Flag::may_lend))) == "what is to be set by it is set already");
  Io short_one = Io::read(0, bytes);
  short_one.struct_size -= 8;
  CHECK(breach(short_one) == "its struct is shorter than this ABI's");
  Io unknown = Io::read(0, bytes);
  static_cast<ashlar_io&>(unknown).op = 70;
  CHECK(breach(unknown) == "the op is not offered");

  CHECK(breach(Io::read(0, bytes, Flag::nowait | Flag::may_lend | Flag::may_lend_cold)).empty());
  CHECK(breach(with_sink(Io::lend_only(0, 512, Flag::may_hole))).empty());
  CHECK(breach(Io(Op::zero, 0, 512, Flag::promises.without(Flag::req_one))).empty());
  CHECK(breach(with_sink(Io(Op::extents, 0, 512, Flag::req_one | Flag::nowait))).empty());
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
