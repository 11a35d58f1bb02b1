// Metrics: the figures that a layer keeps for who watches the server. (abi.h, ASHLAR_METRICS_ID)
#pragma once
#include <ashlar/abi.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ashlar::host {

// Keeps its address: the module's table points to it.
class Metrics {
 public:
  // A metric as it is now.
  struct Reading {
    std::uint32_t kind;  // ASHLAR_COUNTER, ASHLAR_GAUGE, ASHLAR_HISTOGRAM
    std::string name, help;
    double value = 0;                   // COUNTER, GAUGE; HISTOGRAM: the sum of what was observed
    std::vector<double> bounds;         // HISTOGRAM: rising
    std::vector<std::uint64_t> counts;  // how many values lie up to each bound and above the one before, and the rest
  };

  Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // For the module.
  const ashlar_metrics& table() const { return table_; }
  // All of them, sorted by name. Those that change meanwhile may be a change apart. [any thread]
  std::vector<Reading> read() const;

 private:
  struct Metric {
    Metric(std::uint32_t of_kind, std::string text, std::span<const double> of_bounds)
        : kind(of_kind), help(std::move(text)), bounds(of_bounds.begin(), of_bounds.end()), counts(bounds.size() + 1) {}
    const std::uint32_t kind;
    const std::string help;
    const std::vector<double> bounds;
    std::vector<std::atomic<std::uint64_t>> counts;
    std::atomic<double> value{0};
  };
  static Metric* metric(ashlar_metric* opaque) { return reinterpret_cast<Metric*>(opaque); }
  static ashlar_metric* make(void* self, std::uint32_t kind, const char* name, const char* help, const double* bounds,
                             std::size_t n_bounds) noexcept;
  static void add(ashlar_metric* to, double amount) noexcept;
  static void set(ashlar_metric* to, double value) noexcept;
  static void observe(ashlar_metric* to, double value) noexcept;
  Metric* find_or_make(std::uint32_t kind, std::string_view name, const char* help, std::span<const double> bounds);

  mutable std::mutex mutex_;
  std::map<std::string, Metric, std::less<>> all_;
  const ashlar_metrics table_;
};

// "counter", "gauge", "histogram".
const char* metric_kind_name(std::uint32_t kind);

}  // namespace ashlar::host
