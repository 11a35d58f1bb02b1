// FakeMetrics: the service ashlar.metrics/1 for tests of a module.
#pragma once
#include <ashlar/abi.h>

#include <ashlar/rules/name.hpp>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace ashlar::testing {

// Safe for all threads. Keeps its address; outlives the layers that have it, which share metrics of the same name.
class FakeMetrics {
 public:
  FakeMetrics() = default;
  FakeMetrics(const FakeMetrics&) = delete;
  FakeMetrics& operator=(const FakeMetrics&) = delete;

  const ashlar_metrics* services() const { return &services_; }

  // Of a counter or gauge. Throws std::out_of_range when no layer has made `name`.
  double value(const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return all_.at(name).value;
  }
  // What a histogram was told, in order. Throws likewise.
  std::vector<double> observed(const std::string& name) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return all_.at(name).observed;
  }

 private:
  // What abi.h calls ashlar_metric.
  struct Metric {
    FakeMetrics* of;
    std::uint32_t kind;
    double value = 0;
    std::vector<double> observed{};
  };
  static Metric* ours(ashlar_metric* metric) { return reinterpret_cast<Metric*>(metric); }

  static ashlar_metric* make(void* self, std::uint32_t kind, const char* name, const char*, const double* bounds,
                             std::size_t n_bounds) noexcept {
    if (rules::metric_fault(kind, name, bounds, n_bounds) != nullptr) return nullptr;
    auto& fake = *static_cast<FakeMetrics*>(self);
    const std::lock_guard<std::mutex> lock(fake.mutex_);
    Metric& metric = fake.all_.try_emplace(name, Metric{&fake, kind}).first->second;
    return metric.kind == kind ? reinterpret_cast<ashlar_metric*>(&metric) : nullptr;
  }
  static void add(ashlar_metric* metric, double amount) noexcept {
    const std::lock_guard<std::mutex> lock(ours(metric)->of->mutex_);
    ours(metric)->value += amount;
  }
  static void set(ashlar_metric* metric, double value) noexcept {
    const std::lock_guard<std::mutex> lock(ours(metric)->of->mutex_);
    ours(metric)->value = value;
  }
  static void observe(ashlar_metric* metric, double value) noexcept {
    const std::lock_guard<std::mutex> lock(ours(metric)->of->mutex_);
    ours(metric)->observed.push_back(value);
  }

  mutable std::mutex mutex_;
  std::map<std::string, Metric> all_;
  const ashlar_metrics services_{sizeof(ashlar_metrics), 0, this, &make, &add, &set, &observe};
};

}  // namespace ashlar::testing
