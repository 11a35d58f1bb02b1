// bench-pass: a filter that hands everything on. What a chain of them costs is what a layer costs.
#include <ashlar/filter.hpp>

using namespace ashlar;

class Pass final : public Filter {
 public:
  using Filter::Filter;
  Geometry describe() override { return offer(Flag::shortcuts); }
};

ASHLAR_MODULE(Pass, .name = "bench-pass", .summary = "hands every request on, for benchmarks",
              .threads = Threads::parallel)
