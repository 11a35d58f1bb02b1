// The metrics that a layer keeps: which names and kinds there are, what each does, and that threads lose nothing.
#include "chain/metrics.hpp"

#include <cmath>
#include <limits>
#include <thread>

#include "fake_export.hpp"
#include "matchers.hpp"

namespace ashlar::host {
namespace {

struct Kept {
  Metrics metrics;
  const ashlar_metrics& table = metrics.table();

  ashlar_metric* make(std::uint32_t kind, const char* name, const std::vector<double>& bounds = {}) {
    return table.make(table.self, kind, name, "help", bounds.data(), bounds.size());
  }
  // The value of the metric `name`; NaN: there is none.
  double value(const std::string& name) const {
    for (const Metrics::Reading& reading : metrics.read())
      if (reading.name == name) return reading.value;
    return std::nan("");
  }
};

}  // namespace

TEST_CASE("a metric is made once, and read with its kind, name and help") {
  Kept kept;
  ashlar_metric* const hits = kept.make(ASHLAR_COUNTER, "hits");
  REQUIRE(hits != nullptr);
  CHECK(kept.make(ASHLAR_COUNTER, "hits") == hits);
  CHECK(kept.table.make(kept.table.self, ASHLAR_COUNTER, "hits", nullptr, nullptr, 0) == hits);
  CHECK(kept.make(ASHLAR_GAUGE, "hits") == nullptr);
  REQUIRE(kept.make(ASHLAR_GAUGE, "a_size_2") != nullptr);
  const auto all = kept.metrics.read();
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "a_size_2");
  CHECK(all[0].kind == ASHLAR_GAUGE);
  CHECK(all[1].name == "hits");
  CHECK(all[1].kind == ASHLAR_COUNTER);
  CHECK(all[1].help == "help");
}

TEST_CASE("what is no name, kind or bounds is refused") {
  Kept kept;
  for (const char* name : {"", "Hits", "2hits", "_hits", "hits!", "cache hits", "cache-hits", "h\xc3\xbc"})
    CHECK(kept.make(ASHLAR_COUNTER, name) == nullptr);
  CHECK(kept.make(ASHLAR_COUNTER, nullptr) == nullptr);
  CHECK(kept.make(3, "hits") == nullptr);
  CHECK(kept.make(ASHLAR_HISTOGRAM, "times", {1, 1}) == nullptr);
  CHECK(kept.make(ASHLAR_HISTOGRAM, "times", {2, 1}) == nullptr);
  CHECK(kept.make(ASHLAR_HISTOGRAM, "times", {std::nan("")}) == nullptr);
  CHECK(kept.make(ASHLAR_HISTOGRAM, "times", {1, std::nan(""), 2}) == nullptr);
  CHECK(kept.make(ASHLAR_HISTOGRAM, "times") == nullptr);
  CHECK(kept.make(ASHLAR_COUNTER, "hits", {1, 2}) == nullptr);
  CHECK(kept.metrics.read().empty());
}

TEST_CASE("a counter only grows, a gauge goes up and down, and neither does what is another's") {
  Kept kept;
  ashlar_metric* const counter = kept.make(ASHLAR_COUNTER, "counter");
  ashlar_metric* const gauge = kept.make(ASHLAR_GAUGE, "gauge");
  ashlar_metric* const histogram = kept.make(ASHLAR_HISTOGRAM, "histogram", {1});
  kept.table.add(counter, 2);
  kept.table.add(counter, 0.5);
  kept.table.add(counter, -1);
  kept.table.add(counter, std::nan(""));
  kept.table.set(counter, 7);
  kept.table.observe(counter, 7);
  CHECK(kept.value("counter") == 2.5);
  kept.table.set(gauge, 10);
  kept.table.add(gauge, -12);
  kept.table.add(gauge, std::nan(""));
  kept.table.observe(gauge, 7);
  CHECK(kept.value("gauge") == -2);
  kept.table.add(histogram, 7);
  kept.table.set(histogram, 7);
  CHECK(kept.value("histogram") == 0);
  kept.table.add(nullptr, 1);
  kept.table.set(nullptr, 1);
  kept.table.observe(nullptr, 1);
}

TEST_CASE("a histogram counts by the bound that a value is no greater than") {
  Kept kept;
  ashlar_metric* const times = kept.make(ASHLAR_HISTOGRAM, "times", {0.5, 1, 2});
  for (const double value : {0.1, 0.5, 0.6, 1.0, 2.0, 2.1, 100.0, -1.0, std::nan("")}) kept.table.observe(times, value);
  const auto all = kept.metrics.read();
  REQUIRE(all.size() == 1);
  CHECK(all[0].bounds == std::vector<double>{0.5, 1, 2});
  CHECK(all[0].counts == std::vector<std::uint64_t>{3, 2, 1, 2});
  CHECK(all[0].value == Approx(105.3));
}

TEST_CASE("threads that make and change metrics at once lose nothing") {
  Kept kept;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        kept.table.add(kept.make(ASHLAR_COUNTER, "hits"), 1);
        kept.table.observe(kept.make(ASHLAR_HISTOGRAM, "times", {1}), i % 2 == 0 ? 1 : 2);
        static_cast<void>(kept.metrics.read());
      }
    });
  for (auto& thread : threads) thread.join();
  CHECK(kept.value("hits") == 8000);
  const auto times = kept.metrics.read().back();
  CHECK(times.counts == std::vector<std::uint64_t>{4000, 4000});
  CHECK(times.value == 12000);
}

TEST_CASE("a layer's metrics are its own, and kept by the host") {
  FakeModule top(ModuleKind::filter, "top"), plugin(ModuleKind::plugin, "disk");
  const auto count = [](const ashlar_create& how, ashlar_layer&) {
    const auto* metrics = static_cast<const ashlar_metrics*>(how.host->extension(how.host->self, ASHLAR_METRICS_ID));
    REQUIRE(metrics != nullptr);
    metrics->add(metrics->make(metrics->self, ASHLAR_COUNTER, "made", "layers made", nullptr, 0), 1);
  };
  top.create_how = plugin.create_how = count;
  FakeExport e({&top, &plugin});
  for (const auto& layer : e->layers()) {
    const auto all = layer->services().metrics().read();
    REQUIRE(all.size() == 1);
    CHECK(all[0].name == "made");
    CHECK(all[0].value == 1);
  }
}

}  // namespace ashlar::host
