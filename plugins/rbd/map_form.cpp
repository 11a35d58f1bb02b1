#include "map_form.hpp"

#include <algorithm>
#include <boost/crc.hpp>
#include <cstdint>

namespace {

// A length; a version, the oldest that reads it, and another length; the number of objects. Then the bits, in bytes
// that begin with the high ones; a length, the sum of what is behind the first length, and those of each block of
// bits, with their number. All numbers are little endian. (Ceph, src/common/bit_vector.hpp)
constexpr std::size_t at_length = 0, at_version = 4, at_oldest = 5, at_length_of_number = 6, at_number = 10, head = 18;
constexpr std::uint32_t form = 1, bytes_of_number = 8;
constexpr std::size_t bits = 2, in_a_byte = 8 / bits, block = 4096;
constexpr std::size_t sum_bytes = 4;

using Bytes = std::span<const std::byte>;

std::size_t data_bytes(std::size_t objects) { return objects / in_a_byte + (objects % in_a_byte != 0 ? 1 : 0); }
std::size_t blocks_of(std::size_t objects) { return (data_bytes(objects) + block - 1) / block; }

std::uint64_t number(Bytes bytes, std::size_t at, std::size_t length) {
  std::uint64_t found = 0;
  for (std::size_t i = length; i-- > 0;) found = found << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return found;
}

std::uint64_t sum_of(Bytes bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0, 0, true, true> sum;
  sum.process_bytes(bytes.data(), bytes.size());
  return sum.checksum();
}

bool has_known_head(Bytes bytes) {
  return bytes.size() >= head && number(bytes, at_length, 4) == head - at_version &&
         number(bytes, at_version, 1) == form && number(bytes, at_oldest, 1) == form &&
         number(bytes, at_length_of_number, 4) == bytes_of_number;
}

// `sums`: what is behind the bits.
bool is_whole(Bytes bytes, Bytes data, Bytes sums) {
  const std::size_t blocks = (data.size() + block - 1) / block;
  if (sums.size() < (3 + blocks) * sum_bytes || number(sums, 0, 4) != (2 + blocks) * sum_bytes ||
      number(sums, sum_bytes, 4) != sum_of(bytes.subspan(at_version, head - at_version)) ||
      number(sums, 2 * sum_bytes, 4) != blocks)
    return false;
  for (std::size_t i = 0; i < blocks; ++i)
    if (number(sums, (3 + i) * sum_bytes, 4) !=
        sum_of(data.subspan(i * block, std::min(block, data.size() - i * block))))
      return false;
  return true;
}

}  // namespace

std::size_t map_bytes(std::size_t objects) { return head + data_bytes(objects) + (3 + blocks_of(objects)) * sum_bytes; }

std::optional<std::vector<bool>> read_map(Bytes bytes) {
  if (!has_known_head(bytes)) return std::nullopt;
  const std::uint64_t objects = number(bytes, at_number, bytes_of_number);
  if (data_bytes(objects) > bytes.size() - head) return std::nullopt;
  const Bytes data = bytes.subspan(head, data_bytes(objects));
  if (!is_whole(bytes, data, bytes.subspan(head + data.size()))) return std::nullopt;
  std::vector<bool> there(objects);
  for (std::size_t n = 0; n < objects; ++n)
    there[n] = (static_cast<unsigned>(data[n / in_a_byte]) >> (in_a_byte - 1 - n % in_a_byte) * bits & 3U) != 0;
  return there;
}
