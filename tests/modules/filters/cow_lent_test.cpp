// What the filter cow lends of its overlay, and what becomes of that.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iterator>

#include "cow_over.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// What lies where an answer lends.
Bytes lent_by(const Io& io) {
  Bytes bytes(io.length());
  const auto at = static_cast<off_t>(io.lent_offset);
  CHECK(::pread(io.lent_fd, bytes.data(), bytes.size(), at) == static_cast<ssize_t>(bytes.size()));
  return bytes;
}

}  // namespace

TEST_CASE("cow: what was written is lent, and what was lent outlives a discard, as long as its device", "[cachestat]") {
  // Its number is the same on all architectures.
  if (::syscall(451, -1, nullptr, nullptr, 0) >= 0 || errno != EBADF)
    SKIP_CASE("this kernel has no cachestat(2), so nothing is lent");
  Over over(per_export({{"block_size", "65536"}}));
  auto device = over.layer->open_over(over.disk);
  const auto other = over.layer->open_over(over.disk);
  REQUIRE(device->geometry().flags.has(Flag::lending));
  const Bytes written = bytes_of(131072, 7);
  REQUIRE(device->write(0, written).ok());
  const std::size_t before = open_descriptors();
  Io first = Io::lend_only(0, 131072);
  REQUIRE(device->process(first).ok());
  REQUIRE(first.lent());
  CHECK(lent_by(first) == written);
  CHECK(open_descriptors() == before);
  Bytes into(131072);
  Io with_bytes = Io::read(0, into, Flag::may_lend);
  REQUIRE(device->process(with_bytes).ok());
  CHECK(with_bytes.lent());

  over.host.control().call("discard");
  CHECK(lent_by(first) == written);
  CHECK(read_all(*device, 0, over.before.size()) == over.before);
  REQUIRE(other->write(65536, bytes_of(65536, 8)).ok());
  Io second = Io::lend_only(65536, 65536);
  CHECK(device->process(second) == Status::would_block());  // it would keep two
  REQUIRE(other->process(second).ok());
  CHECK(lent_by(second) == bytes_of(65536, 8));
  CHECK(read_all(*device, 65536, 65536) == bytes_of(65536, 8));
  CHECK(lent_by(first) == written);
  CHECK(open_descriptors() == before + 1);
  device.reset();
  CHECK(open_descriptors() == before);
  CHECK(read_all(*other, 65536, 65536) == bytes_of(65536, 8));
}

TEST_CASE("cow: a discard of what was not lent gives its room back at once") {
  Over over(per_export({{"block_size", "65536"}}));
  const auto device = over.layer->open_over(over.disk);
  REQUIRE(device->write(0, bytes_of(131072, 7)).ok());
  const std::size_t before = open_descriptors();
  over.host.control().call("discard");
  CHECK(open_descriptors() == before);
  CHECK(read_all(*device, 0, over.before.size()) == over.before);
}

TEST_CASE("cow: what is there in part, or kept in a file, is not lent") {
  Over over(per_export({{"block_size", "65536"}}));
  const auto device = over.layer->open_over(over.disk);
  REQUIRE(device->write(0, bytes_of(65536, 7)).ok());
  REQUIRE(device->write(65536, bytes_of(4096, 7)).ok());
  Io io = Io::lend_only(0, 131072);
  CHECK(device->process(io) == Status::would_block());

  Over that_is_kept(kept(over.scratch, {{"block_size", "65536"}}));
  const auto keeping = that_is_kept.layer->open_over(that_is_kept.disk);
  REQUIRE(keeping->write(0, bytes_of(65536, 7)).ok());
  Bytes into(65536);
  Io of_kept = Io::read(0, into, Flag::may_lend & keeping->geometry().flags);
  REQUIRE(keeping->process(of_kept).ok());
  CHECK_FALSE(of_kept.lent());
  CHECK(into == bytes_of(65536, 7));
}
