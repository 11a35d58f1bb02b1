// Metrics: figures that a layer keeps for who watches the server; the host counts and keeps them.
//
//   struct Layer {
//     explicit Layer(const ashlar::Create& create)
//         : hits(ashlar::Metrics(create.host).counter("cache_hits", "reads that the cache answered")) {}
//     const ashlar::Counter hits;
//   };
//   ... layer.hits.add();
//
// All of them are cheap to copy, valid as long as the layer, and do nothing where the host keeps no such metric.
#pragma once
#include <ashlar/host.hpp>

#include <cstdint>
#include <span>

namespace ashlar {

namespace detail {
class Metric {
 public:
  Metric() = default;
  Metric(const ashlar_metrics* service, ashlar_metric* metric) : service_(service), metric_(metric) {}
  // Whether the host keeps it.
  explicit operator bool() const { return metric_ != nullptr; }

 protected:
  const ashlar_metrics* service_ = nullptr;
  ashlar_metric* metric_ = nullptr;
};
}  // namespace detail

// Only grows.
class Counter : public detail::Metric {
 public:
  using Metric::Metric;
  // `amount` >= 0. [any]
  void add(double amount = 1) const noexcept {
    if (metric_ != nullptr) service_->add(metric_, amount);
  }
};

// Goes up and down.
class Gauge : public detail::Metric {
 public:
  using Metric::Metric;
  void add(double amount) const noexcept {  // [any]
    if (metric_ != nullptr) service_->add(metric_, amount);
  }
  void set(double value) const noexcept {  // [any]
    if (metric_ != nullptr) service_->set(metric_, value);
  }
};

// How many values were no greater than each bound.
class Histogram : public detail::Metric {
 public:
  using Metric::Metric;
  void observe(double value) const noexcept {  // [any]
    if (metric_ != nullptr) service_->observe(metric_, value);
  }
};

// Makes them. `name`: [a-z][a-z0-9_]*, with its unit: "cache_hits", "wait_seconds"; asked for twice it is the same
// metric, so that the connections of a layer may share one. `help`: one line.
class Metrics {
 public:
  explicit Metrics(const Host& host)
      : service_(static_cast<const ashlar_metrics*>(host.extension(ASHLAR_METRICS_ID))) {}

  Counter counter(const char* name, const char* help) const {  // [any]
    return {service_, make(ASHLAR_COUNTER, name, help, {})};
  }
  Gauge gauge(const char* name, const char* help) const {  // [any]
    return {service_, make(ASHLAR_GAUGE, name, help, {})};
  }
  // `bounds`: rising, one at least: without any the host keeps no histogram. [any]
  Histogram histogram(const char* name, const char* help, std::span<const double> bounds) const {
    return {service_, make(ASHLAR_HISTOGRAM, name, help, bounds)};
  }

 private:
  ashlar_metric* make(std::uint32_t kind, const char* name, const char* help, std::span<const double> bounds) const {
    if (service_ == nullptr) return nullptr;
    return service_->make(service_->self, kind, name, help, bounds.empty() ? nullptr : bounds.data(), bounds.size());
  }

  const ashlar_metrics* service_;
};

}  // namespace ashlar
