// The pattern plugin: a disk whose contents say where they are.
#include <algorithm>
#include <ashlar/plugin.hpp>
#include <bit>
#include <cstring>

namespace {

namespace Extent = ashlar::Extent;
namespace Flag = ashlar::Flag;
using ashlar::Geometry;
using ashlar::Io;
using ashlar::Open;
using ashlar::Param;
using ashlar::Status;

static_assert(std::endian::native == std::endian::little, "words are turned around below");

// The eight bytes at `offset`, a multiple of 8, as they lie in memory.
std::uint64_t word_at(std::uint64_t offset) { return __builtin_bswap64(offset); }

// Calls `take(std::uint64_t word, first, n)` for each piece of [offset, offset + length) that lies within one word:
// its bytes [first, first + n) are those of the piece. Stops when `take` returns false, and returns false then.
template <class Take>
bool for_each_word(std::uint64_t offset, std::uint64_t length, Take take) {
  while (length != 0) {
    const std::uint64_t first = offset % 8, n = std::min(8 - first, length);
    const std::uint64_t word = word_at(offset - first);
    if (!(n == 8 ? take(word, 0, 8) : take(word, first, n))) return false;  // the usual length as a constant
    offset += n;
    length -= n;
  }
  return true;
}

class Pattern final : public ashlar::Plugin {
 public:
  static constexpr const char* group = "trying and testing";
  static constexpr Param params[] = {Param::size("size", "of the disk, in bytes").needed()};

  struct Layer {
    explicit Layer(const ashlar::Create& create) : size(create.params.size("size")) {}
    std::uint64_t size;
  };

  Pattern(Layer& layer, const Open&) : size_(layer.size) {}

  Geometry describe() override {
    Geometry g;
    g.size = size_;
    g.flags = Flag::fua | Flag::req_one | Flag::nowait;
    g.multi_conn = true;
    g.parks = true;
    return g;
  }

  Status read(Io& io) noexcept override {
    std::byte* at = io.buffer().data();
    for_each_word(io.offset(), io.length(), [&at](std::uint64_t word, std::uint64_t first, std::uint64_t n) {
      std::memcpy(at, reinterpret_cast<const std::byte*>(&word) + first, n);
      at += n;
      return true;
    });
    return Status::success();
  }
  Status write(Io& io) noexcept override {
    const std::byte* at = io.payload().data();
    const bool same =
        for_each_word(io.offset(), io.length(), [&at](std::uint64_t word, std::uint64_t first, std::uint64_t n) {
          const bool equal = std::memcmp(at, reinterpret_cast<const std::byte*>(&word) + first, n) == 0;
          at += n;
          return equal;
        });
    return same ? Status::success() : Status::io_error();
  }
  Status flush(Io&) noexcept override { return Status::success(); }
  Status cache(Io&) noexcept override { return Status::success(); }
  Status extents(Io& io) noexcept override {
    io.add_extent(io.length(), Extent::allocated);
    return Status::success();
  }

 private:
  const std::uint64_t size_;
};

}  // namespace

ASHLAR_MODULE(Pattern, .name = "pattern", .version = "1.0", .summary = "each 8 bytes hold their offset",
              .threads = ashlar::Threads::parallel)
