// zero-emulation: zeroes by writing when the layer below cannot.
#include <sys/mman.h>

#include <algorithm>
#include <ashlar/durable.hpp>
#include <ashlar/filter.hpp>
#include <system_error>

using namespace ashlar;

namespace {

// `size` bytes of zeroes, aligned to pages. Read-only anonymous memory: all of it is the kernel's one zero page.
class Zeroes {
 public:
  explicit Zeroes(std::size_t size) : size_(size) {
    data_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "a buffer of zeroes");
  }
  ~Zeroes() { ::munmap(data_, size_); }
  Zeroes(const Zeroes&) = delete;
  Zeroes& operator=(const Zeroes&) = delete;
  std::size_t size() const { return size_; }
  std::span<const std::byte> first(std::size_t n) const { return {static_cast<const std::byte*>(data_), n}; }

 private:
  void* data_;
  std::size_t size_;
};

// The most that the layer below takes in one write, up to `wanted`, in whole blocks.
std::uint64_t chunk_for(std::uint64_t wanted, const Geometry& below) {
  if (below.maximum != 0) wanted = std::min<std::uint64_t>(wanted, below.maximum);
  return std::max<std::uint64_t>(wanted / below.minimum * below.minimum, below.minimum);
}

}  // namespace

class ZeroEmulation final : public Filter {
 public:
  static constexpr const char* group = "writes";
  struct Layer {
    // At least the largest possible block, so that one block always fits.
    explicit Layer(const Create& create)
        : chunk(create.params.size("chunk")), zeroes(std::max<std::size_t>(chunk, 65536)) {}
    const std::size_t chunk;
    const Zeroes zeroes;
  };
  static constexpr Param params[] = {
      Param::size("chunk", "the most bytes that one write of zeroes takes").range(512, 32 << 20).or_else("1M")};

  ZeroEmulation(Layer& layer, const Open& open)
      : Filter(open), zeroes_(layer.zeroes), chunk_(chunk_for(layer.chunk, below())) {}

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);
    g.parks = true;
    if (!g.ops.has(Op::write)) return g;
    g.ops |= Op::zero;
    g.flags |= Flag::fast;  // to refuse it quickly is an answer, too: the client learns that writing is all there is
    g.zero_may_fail = false;
    return g;
  }

  Status zero(Io& io) noexcept override {
    const Io asked = io;  // whatever the layer below makes of it
    const Status s = next(io);
    if (s != Status::not_supported() || !below().ops.has(Op::write)) return s;
    if (asked.has(Flag::fast)) return s;
    if (asked.has(Flag::nowait))
      return Status::would_block();  // several writes: the second could block when the first is done
    return write_zeroes(asked);
  }

 private:
  Status write_zeroes(const Io& io) noexcept {
    const Durable durable(io.has(Flag::fua), below(), io.length() <= chunk_ - io.offset() % chunk_);
    for (std::uint64_t at = io.offset(); at != io.end();) {
      // Up to the next multiple of the chunk, so that all but the first start there.
      const std::uint64_t bytes = std::min(chunk_ - at % chunk_, io.end() - at);
      const Status s = next(Io::write(io, at, zeroes_.first(bytes), durable.on_each));
      if (s.failed()) return s;
      at += bytes;
    }
    return durable.flush_after ? next(Io(io, Op::flush, 0, 0)) : Status::success();
  }

  const Zeroes& zeroes_;
  const std::uint64_t chunk_;
};

ASHLAR_MODULE(ZeroEmulation, .name = "zero-emulation", .version = "1.0",
              .summary = "zeroes by writing when the layer below cannot", .threads = Threads::parallel)
