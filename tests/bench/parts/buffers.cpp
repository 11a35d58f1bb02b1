// The buffer pool: taking a buffer and letting it go. A large one comes from the system and goes back to it.
#include <benchmark/benchmark.h>

#include "session/buffer_pool.hpp"

namespace {

using ashlar::host::BufferPool;

void buffer_pool(benchmark::State& state) {
  BufferPool pool(BufferPool::limits_for(std::size_t{1} << 30));
  for (auto _ : state) benchmark::DoNotOptimize(pool.try_take(static_cast<std::size_t>(state.range(0)))->data());
}
BENCHMARK(buffer_pool)
    ->ArgName("bytes")
    ->Arg(BufferPool::small_capacity)
    ->Arg(BufferPool::usual_capacity)
    ->Arg(1 << 20);

}  // namespace
