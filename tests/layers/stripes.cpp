// stripes: a plugin of 1 MiB, in turn 4 KiB of data and 4 KiB of hole. It offers no flags, so that it is never told
// that one extent is enough.
#include <algorithm>
#include <ashlar/plugin.hpp>

using namespace ashlar;

class Stripes final : public Plugin {
 public:
  struct Layer {
    explicit Layer(const Create&) {}
  };
  Stripes(Layer&, const Open&) {}

  Geometry describe() override {
    Geometry g;
    g.size = 1 << 20;
    return g;
  }
  Status read(Io& io) noexcept override {
    const auto bytes = io.buffer();
    for (std::uint64_t i = 0; i < bytes.size(); ++i)
      bytes[i] = (io.offset() + i) / width % 2 == 0 ? std::byte{'x'} : std::byte{0};
    return Status::success();
  }
  Status extents(Io& io) noexcept override {
    for (std::uint64_t at = io.offset(); at < io.end();) {
      const std::uint64_t stripe = at / width, end = std::min((stripe + 1) * width, io.end());
      if (!io.add_extent(end - at, stripe % 2 == 0 ? Extent::allocated : Extent::sparse)) break;
      at = end;
    }
    return Status::success();
  }

 private:
  static constexpr std::uint64_t width = 4096;
};

ASHLAR_MODULE(Stripes, .name = "stripes", .version = "1.0", .summary = "in turn data and holes",
              .threads = Threads::parallel)
