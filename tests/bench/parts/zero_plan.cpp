// The zero planner: which methods, in which order.
#include "fileops/zero_plan.hpp"

#include <benchmark/benchmark.h>

namespace {

using namespace ashlar::fileops;

void zero_plan(benchmark::State& state) {
  Question question;
  if (state.range(0) != 0) question.kind = Kind::block;
  question.may_trim = state.range(1) != 0;
  for (auto _ : state) {
    const Plan plan = plan_zero(question);
    if (plan.size() == 0) return state.SkipWithError("no way to zero");
    benchmark::DoNotOptimize(plan);
  }
}
BENCHMARK(zero_plan)->ArgNames({"block", "may_trim"})->ArgsProduct({{0, 1}, {0, 1}});

}  // namespace
