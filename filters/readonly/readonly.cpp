// readonly: offers no op that changes the layer below.
#include <ashlar/filter.hpp>

using namespace ashlar;

class ReadOnly final : public Filter {
 public:
  static constexpr const char* group = "limits";
  using Filter::Filter;

  Geometry describe() override {
    Geometry g = offer(Flag::shortcuts);  // reads go on as they are, so lent bytes and holes do, too
    g.ops = g.ops.without(Ops::writing());
    g.flags = g.flags.without(Flag::fua | Flag::may_trim | Flag::fast);
    g.read_only = true;
    g.zero_may_fail = false;
    g.parks = true;
    return g;
  }

  // Not offered, so not called; held shut all the same.
  Status write(Io&) noexcept override { return Status{EPERM}; }
  Status trim(Io&) noexcept override { return Status{EPERM}; }
  Status zero(Io&) noexcept override { return Status{EPERM}; }
};

ASHLAR_MODULE(ReadOnly, .name = "readonly", .version = "1.0", .summary = "lets nothing change the layer below",
              .threads = Threads::parallel)
