// A plugin that holds nothing: reads zeroes, takes writes only if `wet`, cannot zero. With `dry`, it cannot be opened.
#include <ashlar/plugin.hpp>
#include <cstring>

namespace {

class Pond final : public ashlar::Plugin {
 public:
  static constexpr const char* depths[] = {"deep", "shallow", nullptr};
  static constexpr ashlar::Param params[] = {
      ashlar::Param::size("size", "bytes").needed().range(1, 1 << 30),
      ashlar::Param::choice("depth", depths, "how far down").or_else("shallow"),
      ashlar::Param::boolean("dry", "refuse to open").or_else("false"),
      ashlar::Param::boolean("wet", "take writes").or_else("false"),
      ashlar::Param::integer("fish", "how many").range(0, 9),
      ashlar::Param::path("shore", "a file"),
  };
  struct Layer {
    std::uint64_t size;
    bool dry, wet;
    std::uint32_t depth;
    std::int64_t fish;
    explicit Layer(const ashlar::Create& create)
        : size(create.params.size("size")),
          dry(create.params.boolean("dry")),
          wet(create.params.boolean("wet")),
          depth(create.params.choice("depth") == "deep" ? 200 : 0),
          fish(create.params.integer("fish")) {}
  };

  Pond(Layer& layer, const ashlar::Open&) : layer_(layer) {}
  ashlar::Geometry describe() override {
    if (layer_.dry) throw std::system_error(ENOENT, std::generic_category(), "the pond is dry");
    if (layer_.fish == 9) throw ashlar::BadParameter("fish", "the pond is full");
    return {.size = layer_.size, .read_only = !layer_.wet, .parks = true, .depth = layer_.depth};
  }
  ashlar::Status read(ashlar::Io& io) noexcept override {
    std::memset(io.buffer().data(), 0, io.length());
    return ashlar::Status::success();
  }
  ashlar::Status write(ashlar::Io&) noexcept override { return ashlar::Status::success(); }

 private:
  Layer& layer_;
};

}  // namespace

ASHLAR_MODULE(Pond, .name = "pond", .version = "2.1", .summary = "still water", .threads = ashlar::Threads::parallel)
