#include <cstring>

#include "../random_model.hpp"
#include "bench.hpp"
#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

namespace {

constexpr const char* linux_type = "0fc63daf-8483-4772-8e79-3d69d8477de4";
// As it lies on the disk.
constexpr unsigned char linux_bytes[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                           0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};

void put_number(Bytes& into, std::uint64_t at, std::uint64_t value, int bytes) {
  for (int i = 0; i != bytes; ++i)
    into[at + static_cast<unsigned>(i)] = static_cast<std::byte>(value >> (8 * i) & 0xff);
}

// A row of an MBR or of a link whose sector begins at `record`.
void put_row(Bytes& disk, std::uint64_t record, unsigned index, unsigned type, std::uint64_t first,
             std::uint64_t count) {
  const std::uint64_t at = record + 446 + 16 * index;
  disk[at + 4] = static_cast<std::byte>(type);
  put_number(disk, at + 8, first, 4);
  put_number(disk, at + 12, count, 4);
  put_number(disk, record + 510, 0xaa55, 2);
}

// The checksum of the GPT, bit by bit, from its definition.
std::uint32_t checksum(const Bytes& disk, std::uint64_t at, std::uint64_t bytes) {
  std::uint32_t crc = 0xffffffff;
  for (std::uint64_t bit = 0; bit != bytes * 8; ++bit) {
    const bool one = (static_cast<unsigned>(disk[at + bit / 8]) >> (bit % 8) & 1) != 0;
    const bool low = (crc & 1) != 0;
    crc >>= 1;
    if (one != low) crc ^= 0xedb88320;
  }
  return ~crc;
}

struct GptPart {
  unsigned number;
  std::uint64_t first, last;
  std::u16string label;
};

struct Gpt {
  std::uint64_t sector;
  std::uint64_t sectors;
  std::vector<GptPart> parts;
  std::uint64_t first_usable() const { return 2 + 4096 / sector * 4; }
  std::uint64_t last_usable() const { return sectors - 2 - 4096 / sector * 4; }

  void put_header(Bytes& disk, std::uint64_t at, std::uint64_t other, std::uint64_t entries) const {
    testing::put(disk, entries * sector, Bytes(128 * 128));
    testing::put(disk, at * sector, Bytes(sector));
    for (const GptPart& part : parts) {
      const std::uint64_t entry = entries * sector + (part.number - 1) * 128;
      std::memcpy(disk.data() + entry, linux_bytes, 16);
      put_number(disk, entry + 16, part.number, 8);
      put_number(disk, entry + 32, part.first, 8);
      put_number(disk, entry + 40, part.last, 8);
      for (std::size_t i = 0; i != part.label.size(); ++i) put_number(disk, entry + 56 + 2 * i, part.label[i], 2);
    }
    const std::uint64_t header = at * sector;
    std::memcpy(disk.data() + header, "EFI PART", 8);
    put_number(disk, header + 8, 0x10000, 4);
    put_number(disk, header + 12, 92, 4);
    put_number(disk, header + 24, at, 8);
    put_number(disk, header + 32, other, 8);
    put_number(disk, header + 40, first_usable(), 8);
    put_number(disk, header + 48, last_usable(), 8);
    put_number(disk, header + 72, entries, 8);
    put_number(disk, header + 80, 128, 4);
    put_number(disk, header + 84, 128, 4);
    put_number(disk, header + 88, checksum(disk, entries * sector, 128 * 128), 4);
    put_number(disk, header + 16, 0, 4);
    put_number(disk, header + 16, checksum(disk, header, 92), 4);
  }
  void put(Bytes& disk) const {
    put_row(disk, 0, 0, 0xee, 1, 0xffffffff);
    put_header(disk, 1, sectors - 1, 2);
    put_header(disk, sectors - 1, 1, sectors - 1 - 4096 / sector * 4);
  }
};

constexpr std::uint64_t mib = 1 << 20;

Gpt usual(std::uint64_t sector = 512) {
  const std::uint64_t of_64k = 65536 / sector;
  return {
      sector, mib / sector, {{1, of_64k, 3 * of_64k - 1, u"boot"}, {3, 3 * of_64k, 8 * of_64k - 1, u"r\u00f6\u00f6t"}}};
}

// The size of the partition, or the text with which it is refused.
std::string outcome(ModelDisk& disk, const Given& given) {
  FakeHost host;
  try {
    const TestLayer layer(own_module(), host, given);
    return std::to_string(layer.open_over(disk)->geometry().size);
  } catch (const Refused& r) {
    return r.what();
  }
}
bool says(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) WARN(text);
  return found;
}

}  // namespace

TEST_CASE("partition: of a GPT by number, label and type, in sectors of both sizes") {
  for (const std::uint64_t sector : {512, 4096}) {
    ModelDisk disk(mib);
    usual(sector).put(disk.bytes());
    CHECK(outcome(disk, {{"number", "1"}}) == "131072");
    CHECK(outcome(disk, {{"number", "3"}}) == "327680");
    CHECK(outcome(disk, {{"label", "r\xc3\xb6\xc3\xb6t"}}) == "327680");
    CHECK(says(outcome(disk, {{"number", "2"}}), "no partition has the number 2; there are 1 (\"boot\"), 3 (\"r"));
    CHECK(says(outcome(disk, {{"type_guid", linux_type}}), "is that of the partitions 1 and 3"));
    Gpt one = usual(sector);
    one.parts.pop_back();
    ModelDisk other(mib);
    one.put(other.bytes());
    CHECK(outcome(other, {{"type_guid", "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}}) == "131072");
    CHECK(disk.breaches().empty());
  }
}

TEST_CASE("partition: requests stay within it") {
  FakeHost host;
  ModelDisk disk(mib);
  disk.fill();
  usual().put(disk.bytes());
  const Bytes before = disk.bytes();
  const TestLayer layer(own_module(), host, {{"number", "1"}});
  const auto device = layer.open_over(disk);
  CHECK(read_all(*device, 0, 131072) == part(before, 65536, 131072));
  RandomModel model([&](Io& io) { return device->process(io); }, device->geometry(), part(before, 65536, 131072));
  CHECK_NOTHROW(model.run(RandomModel::operations()));
  CHECK(part(disk.bytes(), 0, 65536) == part(before, 0, 65536));
  CHECK(part(disk.bytes(), 3 * 65536, mib - 3 * 65536) == part(before, 3 * 65536, mib - 3 * 65536));
  CHECK(disk.breaches().empty());
}

TEST_CASE("partition: the backup of a GPT when the first is broken") {
  const std::uint64_t in_header[] = {512, 512 + 16, 512 + 24, 512 + 48, 1024 + 33, 1024 + 16383};
  for (const std::uint64_t at : in_header) {
    ModelDisk disk(mib);
    usual().put(disk.bytes());
    disk.bytes()[at] ^= std::byte{1};
    FakeHost host;
    const TestLayer layer(own_module(), host, {{"label", "boot"}});
    CHECK(layer.open_over(disk)->geometry().size == 131072);
    CHECK(host.said("the backup at the end of the disk is used"));
    disk.bytes()[mib - 512 + 16] ^= std::byte{1};
    CHECK(says(outcome(disk, {{"label", "boot"}}),
               ", and of the backup: the GPT header in sector 2047 has a wrong checksum"));
  }
}

TEST_CASE("partition: refuses what a GPT must not say") {
  const auto refused = [](Gpt gpt, const std::string& why) {
    ModelDisk disk(mib);
    gpt.put(disk.bytes());
    return says(outcome(disk, {{"number", "1"}}), why);
  };
  Gpt gpt = usual();
  gpt.parts[1].first = gpt.parts[0].last;
  CHECK(refused(gpt, "partition 1 overlaps partition 3"));
  gpt = usual();
  gpt.parts[0].first = 3;
  CHECK(refused(gpt, "partition 1 is said to be in the sectors from 3 to 383, outside of those from 34 to"));
  gpt = usual();
  gpt.parts[0].last = 2048;
  CHECK(refused(gpt, "outside of those"));
  gpt = usual();
  gpt.parts[0].last = gpt.parts[0].first - 1;
  CHECK(refused(gpt, "outside of those"));
  gpt = usual();
  gpt.parts[0].last = 0xffffffffffffffff;
  CHECK(refused(gpt, "outside of those"));
}

TEST_CASE("partition: a GPT of a larger disk is refused") {
  ModelDisk disk(mib / 2);
  Bytes large(mib);
  usual().put(large);
  std::copy_n(large.begin(), mib / 2, disk.bytes().begin());
  CHECK(says(outcome(disk, {{"number", "1"}}), "is of a disk of more than 1024 sectors"));
}

TEST_CASE("partition: of an MBR, with logical ones") {
  ModelDisk disk(mib);
  Bytes& bytes = disk.bytes();
  put_row(bytes, 0, 0, 0x83, 64, 64);
  put_row(bytes, 0, 2, 0x0f, 256, 1024);       // 256 to 1279
  put_row(bytes, 256 * 512, 0, 0x83, 8, 100);  // 5: 264 to 363
  put_row(bytes, 256 * 512, 1, 0x05, 200, 300);
  put_row(bytes, 456 * 512, 0, 0x83, 8, 102);  // 6
  CHECK(outcome(disk, {{"number", "1"}}) == std::to_string(64 * 512));
  CHECK(outcome(disk, {{"number", "5"}}) == std::to_string(100 * 512));
  CHECK(outcome(disk, {{"number", "6"}}) == std::to_string(102 * 512));
  CHECK(says(outcome(disk, {{"number", "3"}}), "partition 3 is the extended one"));
  CHECK(says(outcome(disk, {{"number", "7"}}), "there are 1, 5, 6"));
  CHECK(says(outcome(disk, {{"label", "x"}}), "neither a label nor a type GUID"));

  disk.bytes()[(464) * 512] = std::byte{42};
  FakeHost host;
  const TestLayer layer(own_module(), host, {{"number", "6"}});
  CHECK(read_all(*layer.open_over(disk), 0, 1)[0] == std::byte{42});

  ModelDisk large(mib);
  put_row(large.bytes(), 0, 0, 0x83, 16, 64);
  CHECK(outcome(large, {{"number", "1"}, {"sector_size", "4096"}}) == std::to_string(64 * 4096));
}

TEST_CASE("partition: refuses an MBR that is wrong") {
  const auto made = [](auto change) {
    ModelDisk disk(mib);
    put_row(disk.bytes(), 0, 0, 0x83, 64, 64);
    put_row(disk.bytes(), 0, 1, 0x05, 256, 1024);
    put_row(disk.bytes(), 256 * 512, 0, 0x83, 8, 100);
    put_row(disk.bytes(), 256 * 512, 1, 0x05, 200, 300);
    put_row(disk.bytes(), 456 * 512, 0, 0x83, 8, 100);
    change(disk.bytes());
    return outcome(disk, {{"number", "5"}});
  };
  CHECK(made([](Bytes&) {}) == "51200");
  CHECK(says(made([](Bytes& b) { put_row(b, 456 * 512, 1, 0x05, 200, 300); }),
             "runs in a circle: it comes to sector 456"));
  CHECK(
      says(made([](Bytes& b) { put_row(b, 456 * 512, 1, 0x05, 1024, 300); }), "is outside of the extended partition"));
  CHECK(says(made([](Bytes& b) { b[456 * 512 + 510] = std::byte{0}; }), "in sector 456 has no signature"));
  CHECK(says(made([](Bytes& b) { put_row(b, 256 * 512, 0, 0x83, 8, 2000); }), "logical partition 5 reaches out of"));
  CHECK(says(made([](Bytes& b) { put_row(b, 256 * 512, 0, 0x83, 8, 300); }), "partition 5 overlaps "));
  CHECK(says(made([](Bytes& b) { put_row(b, 0, 0, 0x83, 300, 10); }), "partition 5 overlaps partition 1"));
  CHECK(says(made([](Bytes& b) { put_row(b, 0, 2, 0x05, 1500, 10); }), "two extended partitions"));
  CHECK(says(made([](Bytes& b) { b[510] = std::byte{0}; }), "the first sector has no signature"));
  CHECK(says(made([](Bytes& b) { put_row(b, 0, 1, 0x05, 4096, 1024); }), "outside of the disk"));
}

TEST_CASE("partition: one outside of the disk, or over the table, is refused") {
  ModelDisk disk(mib);
  put_row(disk.bytes(), 0, 0, 0x83, 64, 0xffffffff);
  put_row(disk.bytes(), 0, 1, 0x83, 0, 8);
  CHECK(says(outcome(disk, {{"number", "1"}}), "outside of the disk of 1048576 bytes"));
  CHECK(says(outcome(disk, {{"number", "2"}}), "partition 2 overlaps a partition table"));
}

TEST_CASE("partition: blocks of the layer below") {
  ModelDisk disk(mib);
  disk.geometry().minimum = 4096;
  put_row(disk.bytes(), 0, 0, 0x83, 8, 64);
  put_row(disk.bytes(), 0, 1, 0x83, 97, 64);
  CHECK(outcome(disk, {{"number", "1"}, {"sector_size", "512"}}) == std::to_string(64 * 512));
  CHECK(says(outcome(disk, {{"number", "2"}, {"sector_size", "512"}}), "on the 4096 byte blocks of the layer below"));
  CHECK(disk.breaches().empty());
}

TEST_CASE("partition: what does not say which is refused, and so is a disk that cannot be read") {
  ModelDisk disk(mib);
  put_row(disk.bytes(), 0, 0, 0x83, 8, 64);
  CHECK(says(outcome(disk, {}), "needs one of number, label and type_guid"));
  CHECK(
      says(outcome(disk, {{"number", "1"}, {"label", "x"}}), "number and label stand side by side: write one of them"));
  CHECK(says(outcome(disk, {{"type_guid", "0fc63daf"}}), "is no GUID such as"));
  disk.fail(Op::read, Status{EIO});
  CHECK(says(outcome(disk, {{"number", "1"}}), "cannot read the partition table at byte 0"));
  ModelDisk small(100);
  CHECK(says(outcome(small, {{"number", "1"}}), "outside of the disk of 100 bytes"));
}

TEST_CASE("partition: whatever a table says, it ends") {
  std::mt19937_64 random(7);
  for (int i = 0; i != 300; ++i) {
    ModelDisk disk(mib);
    if (i % 2 == 0) usual().put(disk.bytes());
    put_row(disk.bytes(), 0, 1, 0x05, 256, 1024);
    put_row(disk.bytes(), 256 * 512, 1, 0x05, random() % 1024, 300);
    for (int n = 0; n != 8; ++n)
      disk.bytes()[(random() % 3 == 0 ? 256 * 512 : 0) + 440 + random() % 700] = std::byte(random());
    put_number(disk.bytes(), 510, 0xaa55, 2);
    CHECK_NOTHROW(outcome(disk, {{"number", "1"}}));
    CHECK(disk.breaches().empty());
  }
}
