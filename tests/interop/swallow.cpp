// swallow: a planted fault. It answers one flush, the one that its parameter says (the first is 1), without handing it
// on; flushes of all clients are counted.
#include <ashlar/filter.hpp>

#include <atomic>
#include <cstdint>

using namespace ashlar;

class Swallow final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : which(static_cast<std::uint64_t>(create.params.integer("which"))) {}
    const std::uint64_t which;
    std::atomic<std::uint64_t> flushes{0};
  };
  static constexpr Param params[] = {Param::integer("which", "flush that gets lost; 0: none").or_else("0")};

  Swallow(Layer& layer, const Open& open) : Filter(open), layer_(layer) {}

  Status flush(Io& io) noexcept override { return ++layer_.flushes == layer_.which ? Status::success() : hand_on(io); }

 private:
  Layer& layer_;
};

ASHLAR_MODULE(Swallow, .name = "swallow", .version = "1", .summary = "loses one flush", .threads = Threads::parallel)
