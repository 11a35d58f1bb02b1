// new-module: refuses to change the first bytes of the disk below. Put your own rule in its place.
#include <ashlar/filter.hpp>

using namespace ashlar;

class Guard final : public Filter {
 public:
  // One for each place in the config, shared by the export's connections.
  struct Layer {
    explicit Layer(const Create& create) : guarded(create.params.size("guarded")) {}
    const std::uint64_t guarded;
  };
  static constexpr Param params[] = {
      Param::size("guarded", "how many bytes at the start of the disk cannot be changed").or_else("0")};

  // One for each connection.
  Guard(Layer& layer, const Open& open) : Filter(open), guarded_(layer.guarded) {}

  // It does not look at the bytes, so it can pass on every shortcut that the layer below offers.
  Geometry describe() override { return offer(Flag::shortcuts); }

  // The ops that are not overridden go on to the layer below by themselves.
  Status write(Io& io) noexcept override { return change(io); }
  Status trim(Io& io) noexcept override { return change(io); }
  Status zero(Io& io) noexcept override { return change(io); }

 private:
  Status change(Io& io) noexcept {
    if (io.offset() < guarded_) return Status{EPERM};
    return hand_on(io);
  }

  const std::uint64_t guarded_;
};

// Parallel: calls may come at once, which this filter need not notice.
ASHLAR_MODULE(Guard, .name = "new-module", .version = "0.1", .summary = "guards the start of a disk",
              .threads = Threads::parallel)
