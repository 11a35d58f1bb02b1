// What a layer costs: a read that costs nothing by itself, through 0, 1 and 5 filters that hand it on.
#include <benchmark/benchmark.h>

#include "modules.hpp"

namespace {

using namespace ashlar;

class Pass final : public Filter {
 public:
  using Filter::Filter;
  Geometry describe() override { return offer(Flag::shortcuts); }
};
constexpr ashlar_module pass = detail::Thunks<Pass>::module(About{.name = "pass", .threads = Threads::parallel});

void chain_call(benchmark::State& state) {
  const testing::FakeHost host;
  bench::Stack stack(host);
  for (std::int64_t i = 0; i < state.range(0); ++i) stack.add(pass);
  std::byte data[4096];
  for (auto _ : state) {
    Io io = Io::read(4096, data, Flag::nowait);
    if (stack.top().process(io).failed()) return state.SkipWithError("the read failed");
  }
}
BENCHMARK(chain_call)->ArgName("filters")->Arg(0)->Arg(1)->Arg(5);

}  // namespace
