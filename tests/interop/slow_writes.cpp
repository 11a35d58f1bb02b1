// slow_writes: a planted fault. Each write takes so many milliseconds more.
#include <ashlar/filter.hpp>
#include <ashlar/wait.hpp>
#include <chrono>

using namespace ashlar;

class SlowWrites final : public Filter {
 public:
  struct Layer {
    explicit Layer(const Create& create) : wait(create.host), milliseconds(create.params.integer("milliseconds")) {}
    const Wait wait;
    const std::chrono::milliseconds milliseconds;
  };
  static constexpr Param params[] = {Param::integer("milliseconds", "that each write takes more").needed()};

  SlowWrites(Layer& layer, const Open& open) : Filter(open), layer_(layer) {}

  Status write(Io& io) noexcept override {
    if (io.has(Flag::nowait)) return Status::would_block();
    layer_.wait.sleep_until(std::chrono::steady_clock::now() + layer_.milliseconds);
    return hand_on(io);
  }

 private:
  Layer& layer_;
};

ASHLAR_MODULE(SlowWrites, .name = "slow_writes", .version = "1", .summary = "slows writes down",
              .threads = Threads::parallel)
