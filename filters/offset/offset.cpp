// offset: a window of the layer below.
#include <ashlar/window.hpp>
#include <stdexcept>
#include <string>

using namespace ashlar;

namespace {

struct Place {
  std::uint64_t offset;
  std::uint64_t size;
};

// Where the window lies within the layer below. Throws BadParameter when it does not fit.
Place place_within(const Params& params, const Geometry& below) {
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

class Offset final : public Window {
 public:
  static constexpr const char* group = "the shape of the disk";
  struct Layer {
    explicit Layer(const Create& create) : params(create.params) {}
    Params params;
  };
  static constexpr Param params[] = {
      Param::size("offset", "where the window starts in the layer below").or_else("0"),
      Param::size("size", "bytes in the window; without it, up to the end of the layer below"),
  };

  Offset(Layer& layer, const Open& open) : Window(open) {
    const auto [offset, size] = place_within(layer.params, below());
    place(offset, size);
  }

  Geometry describe() override {
    Geometry g = Window::describe();
    g.parks = true;
    return g;
  }
};

ASHLAR_MODULE(Offset, .name = "offset", .version = "1.0", .summary = "a window of the layer below",
              .threads = Threads::parallel)
