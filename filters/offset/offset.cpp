// offset: a window of the layer below.
#include <algorithm>
#include <ashlar/extents.hpp>
#include <ashlar/filter.hpp>
#include <stdexcept>
#include <string>

using namespace ashlar;

namespace {

struct Window {
  std::uint64_t offset;
  std::uint64_t size;
};

// The window within the layer below. Throws BadParameter when it does not fit.
Window window_within(const Params& params, const Geometry& below) {
  const std::uint64_t offset = params.size("offset");
  const std::string has = "the layer below has " + std::to_string(below.size) + " bytes";
  if (offset > below.size)
    throw BadParameter("offset", "offset = " + std::to_string(offset) + " is past the end: " + has);
  const std::uint64_t size = params.has("size") ? params.size("size") : below.size - offset;
  if (size > below.size - offset)
    throw BadParameter("size", "offset = " + std::to_string(offset) + " and size = " + std::to_string(size) +
                                   " reach past the end: " + has);
  const auto must_align = [&](const char* what, std::uint64_t value) {
    if (value % below.minimum != 0)
      throw BadParameter(what, std::string(what) + " = " + std::to_string(value) + " is not a multiple of the " +
                                   std::to_string(below.minimum) +
                                   " byte blocks of the layer below; put the filter align between the two");
  };
  must_align("offset", offset);
  if (offset + size != below.size) must_align("size", size);
  return {offset, size};
}

}  // namespace

class Offset final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : params(create.params) {}
    Params params;
  };
  static constexpr Param params[] = {
      Param::size("offset", "where the window starts in the layer below").or_else("0"),
      Param::size("size", "bytes in the window; without it, up to the end of the layer below"),
  };

  Offset(Layer& layer, const Open& open) : Filter(open), window_(window_within(layer.params, below())) {}

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);  // the bytes are the same, only elsewhere
    g.size = window_.size;
    return g;
  }

  Status process(Io& io) noexcept override {
    if (io.op() == Op::flush) return hand_on(io);
    if (io.sink() != nullptr) return clipped(io);
    return moved(io);
  }

 private:
  Status moved(Io& io) noexcept {
    const std::uint64_t offset = io.offset();
    io.set_offset(offset + window_.offset);
    const Status s = next(io);
    io.set_offset(offset);
    return s;
  }

  // Extents may reach past the end of the request, but here not past the end of the window.
  Status clipped(Io& io) noexcept {
    const ashlar_extent_sink* asked = io.sink();
    std::uint64_t left = window_.size - io.offset();
    ExtentSink sink([&](std::uint64_t bytes, ExtentState state) {
      const std::uint64_t inside = std::min(bytes, left);
      left -= inside;
      const bool more = inside != 0 && asked->add(asked->self, inside, static_cast<std::uint32_t>(state.bits())) == 0;
      return more && left != 0;
    });
    io.set_sink(&sink);
    const Status s = moved(io);
    io.set_sink(asked);
    return s;
  }

  const Window window_;
};

ASHLAR_MODULE(Offset, .name = "offset", .version = "1.0", .summary = "a window of the layer below",
              .threads = Threads::parallel)
