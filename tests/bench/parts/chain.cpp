// What a layer costs: a read that costs nothing by itself, through 0, 1 and 5 filters that hand it on.
#include <benchmark/benchmark.h>
#include <spdlog/sinks/null_sink.h>
#include <unistd.h>

#include "chain/chain.hpp"
#include "chain/export.hpp"
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

// The same layers in the host's own chain, which notes where a request is. `call`: behind a system call the processor
// does not know where functions return to.
class BenchRegistry final : public host::Registry {
 public:
  BenchRegistry() : Registry(std::vector<std::filesystem::path>{}) {}
  std::shared_ptr<const host::Library> find(host::ModuleKind, const std::string& module) override {
    return std::make_shared<const BenchLibrary>(module == pass.name ? &pass : &bench::nothing);
  }

 private:
  struct BenchLibrary final : host::Library {
    explicit BenchLibrary(const ashlar_module* table) : Library(table, table->name) {}
  };
};

void host_chain_call(benchmark::State& state) {
  BenchRegistry registry;
  host::Config config;
  config.file = "bench.toml";
  host::ExportConfig own;
  own.name = "disk";
  own.plugin.type = bench::nothing.name;
  own.zero_emulation = false;
  for (std::int64_t i = 0; i < state.range(0); ++i) own.filters.emplace_back().type = pass.name;
  host::Export disk(config, own, registry,
                    std::make_shared<spdlog::logger>("bench", std::make_shared<spdlog::sinks::null_sink_mt>()));
  const auto chain = disk.open();
  const Flags flags = state.range(2) != 0 ? Flag::nowait : Flag::none;
  std::byte data[4096];
  for (auto _ : state) {
    if (state.range(1) != 0) ::getppid();
    Io io = Io::read(4096, data, flags);
    if (chain->process(io) != 0) return state.SkipWithError("the read failed");
  }
}
BENCHMARK(host_chain_call)->ArgNames({"filters", "call", "nowait"})->ArgsProduct({{0, 1, 5}, {0, 1}, {1, 0}});

}  // namespace
