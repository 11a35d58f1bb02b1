#include "chain/metrics.hpp"

#include <algorithm>
#include <ashlar/rules/name.hpp>
#include <cmath>
#include <new>

namespace ashlar::host {

const char* metric_kind_name(std::uint32_t kind) {
  return kind == ASHLAR_COUNTER ? "counter" : kind == ASHLAR_GAUGE ? "gauge" : "histogram";
}

Metrics::Metrics()
    : table_{sizeof(ashlar_metrics), 0, this, &Metrics::make, &Metrics::add, &Metrics::set, &Metrics::observe} {}

ashlar_metric* Metrics::make(void* self, std::uint32_t kind, const char* name, const char* help, const double* bounds,
                             std::size_t n_bounds) noexcept {
  if (rules::metric_fault(kind, name, bounds, n_bounds) != nullptr) return nullptr;
  try {
    return reinterpret_cast<ashlar_metric*>(static_cast<Metrics*>(self)->find_or_make(
        kind, name, help != nullptr ? help : "", std::span<const double>(bounds, n_bounds)));
  } catch (const std::exception&) {
    return nullptr;  // without memory it does without
  }
}

Metrics::Metric* Metrics::find_or_make(std::uint32_t kind, std::string_view name, const char* help,
                                       std::span<const double> bounds) {
  const std::lock_guard lock(mutex_);
  if (const auto found = all_.find(name); found != all_.end())
    return found->second.kind == kind ? &found->second : nullptr;
  return &all_.emplace(std::piecewise_construct, std::forward_as_tuple(name), std::forward_as_tuple(kind, help, bounds))
              .first->second;
}

void Metrics::add(ashlar_metric* to, double amount) noexcept {
  Metric* const m = metric(to);
  if (m == nullptr || m->kind == ASHLAR_HISTOGRAM || std::isnan(amount)) return;
  if (m->kind == ASHLAR_COUNTER && amount < 0) return;
  m->value.fetch_add(amount, std::memory_order_relaxed);
}

void Metrics::set(ashlar_metric* to, double value) noexcept {
  Metric* const m = metric(to);
  if (m != nullptr && m->kind == ASHLAR_GAUGE) m->value.store(value, std::memory_order_relaxed);
}

void Metrics::observe(ashlar_metric* to, double value) noexcept {
  Metric* const m = metric(to);
  if (m == nullptr || m->kind != ASHLAR_HISTOGRAM || std::isnan(value)) return;
  const auto bound = std::lower_bound(m->bounds.begin(), m->bounds.end(), value);
  m->counts[static_cast<std::size_t>(bound - m->bounds.begin())].fetch_add(1, std::memory_order_relaxed);
  m->value.fetch_add(value, std::memory_order_relaxed);
}

std::vector<Metrics::Reading> Metrics::read() const {
  std::vector<Reading> readings;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, metric] : all_) {
    Reading& reading = readings.emplace_back();
    reading = {metric.kind, name, metric.help, metric.value.load(std::memory_order_relaxed), metric.bounds, {}};
    if (metric.kind != ASHLAR_HISTOGRAM) continue;
    for (const auto& count : metric.counts) reading.counts.push_back(count.load(std::memory_order_relaxed));
  }
  return readings;
}

}  // namespace ashlar::host
