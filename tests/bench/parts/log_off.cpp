// The log filter at a level that is off, and at one that is on, for comparison.
#include <benchmark/benchmark.h>

#include <ashlar/testing/library.hpp>

#include "modules.hpp"

namespace {

using namespace ashlar;

void log_filter(benchmark::State& state) {
  const testing::Library library(ASHLAR_LOG_FILTER);
  testing::FakeHost host(Level::info);
  bench::Stack stack(host);
  stack.add(library.module(), {{"level", state.range(0) != 0 ? "info" : "trace"}});
  std::byte data[4096];
  std::size_t n = 0;
  for (auto _ : state) {
    Io io = Io::read(4096, data, Flag::nowait);
    if (stack.top().process(io).failed()) return state.SkipWithError("the read failed");
    if (++n % 4096 == 0) host.clear();  // the fake host keeps what it is told
  }
}
BENCHMARK(log_filter)->ArgName("on")->Arg(0)->Arg(1);

}  // namespace
