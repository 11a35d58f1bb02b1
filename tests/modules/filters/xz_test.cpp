// The guarantees of the filter xz (filters/xz/README.md); those that it shares with zstd stand in zstd_test.cpp.
#include <lzma.h>

#include "catch.hpp"
#include "packed.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

Bytes packed(const Bytes& disk, std::uint64_t block = 65536, lzma_check check = LZMA_CHECK_CRC64) {
  lzma_mt how{};
  how.threads = 1;
  how.block_size = block;
  how.check = check;
  how.preset = 1;
  lzma_stream stream = LZMA_STREAM_INIT;
  Bytes file(disk.size() + 100'000);
  REQUIRE(lzma_stream_encoder_mt(&stream, &how) == LZMA_OK);
  stream.next_in = reinterpret_cast<const std::uint8_t*>(disk.data());
  stream.avail_in = disk.size();
  stream.next_out = reinterpret_cast<std::uint8_t*>(file.data());
  stream.avail_out = file.size();
  lzma_ret code = LZMA_OK;
  while (code == LZMA_OK) code = lzma_code(&stream, LZMA_FINISH);
  CHECK(code == LZMA_STREAM_END);
  file.resize(stream.total_out);
  lzma_end(&stream);
  return file;
}

bool holds(const std::string& text, const std::string& what) { return text.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("xz: files of blocks, of one stream or several") {
  const Bytes disk = some_disk(1'000'001);
  Bytes several = packed(part(disk, 0, 300'001), 65536, LZMA_CHECK_SHA256);
  several.resize(several.size() + 8);  // padding
  const Bytes rest = packed(part(disk, 300'001, 700'000), 100'000, LZMA_CHECK_CRC32);
  several.insert(several.end(), rest.begin(), rest.end());
  for (const Bytes& file : {packed(disk), several}) {
    OverPacked over(file, Given{{"cache", "1M"}, {"max_frame", "128K"}});
    const auto device = over.open();
    CHECK(device->geometry().size == disk.size());
    CHECK(read_all(*device, 0, disk.size()) == disk);
    CHECK(reads_right(over, disk));
    CHECK(over.disk.breaches().empty());
  }
}

TEST_CASE("xz: files that cannot be served are refused, with the command that makes a good one") {
  const Bytes disk = some_disk(3'000'000);
  const std::string one = refusal(packed(disk, 4 << 20), Given{{"cache", "2M"}, {"max_frame", "1M"}});
  CHECK(holds(one, "has 3000000 bytes when it is unpacked, more than max_frame = 1048576"));
  CHECK(holds(one, "xz --keep --block-size=1MiB disk.img"));
  CHECK(holds(refusal(packed(disk, 4 << 20)), "all of its 3000000 bytes are in one frame"));
  CHECK(refusal(packed(some_disk(1 << 20), 4 << 20)).empty());
  CHECK(holds(refusal(disk), "it is no file of xz"));
  CHECK_FALSE(refusal(Bytes{}).empty());
  Bytes file = packed(disk, 65536, LZMA_CHECK_CRC32);
  auto* const bytes = reinterpret_cast<std::uint8_t*>(file.data());
  lzma_stream_flags flags{};
  REQUIRE(lzma_stream_footer_decode(&flags, bytes + file.size() - LZMA_STREAM_HEADER_SIZE) == LZMA_OK);
  flags.check = static_cast<lzma_check>(2);  // of nothing that exists
  REQUIRE(lzma_stream_header_encode(&flags, bytes) == LZMA_OK);
  REQUIRE(lzma_stream_footer_encode(&flags, bytes + file.size() - LZMA_STREAM_HEADER_SIZE) == LZMA_OK);
  CHECK(holds(refusal(file), "checks of a kind that is not known (2)"));
  file = packed(disk);
  Bytes damaged = file;
  damaged[damaged.size() - LZMA_STREAM_HEADER_SIZE - 1] ^= std::byte{1};  // of the index
  CHECK(refusal(damaged) == "the file is damaged: its index does not fit it");
  file.resize(file.size() - 4);
  CHECK(refusal(file) == "the file is cut at byte " + std::to_string(file.size()) +
                             ", or damaged there: it does not end as a file of xz does");
  file.resize(2);
  CHECK(holds(refusal(file), "xz --keep --block-size=1MiB disk.img"));
}

TEST_CASE("xz: what is damaged is an error, and the rest is served") {
  const Bytes disk = some_disk(300'000);
  check_damage(packed(disk), disk);
}
