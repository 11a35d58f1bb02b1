// Metrics from C++: with a host that keeps them, and with one that does not.
#include <ashlar/metrics.hpp>
#include <ashlar/testing/fake_host.hpp>

#include "catch.hpp"

using namespace ashlar;
using namespace ashlar::testing;

TEST_CASE("metrics reach the host") {
  FakeHost fake;
  const Metrics metrics{Host(fake.services())};
  const Counter hits = metrics.counter("hits", "help");
  const Gauge level = metrics.gauge("level", "help");
  const std::array bounds{1.0, 2.0};
  const Histogram times = metrics.histogram("wait_seconds", "help", bounds);
  CHECK(hits);
  hits.add();
  hits.add(2.5);
  metrics.counter("hits", "help").add();  // the same one
  level.set(3);
  level.add(-4);
  times.observe(1.5);
  times.observe(9);
  CHECK(fake.metrics().value("hits") == 4.5);
  CHECK(fake.metrics().value("level") == -1);
  CHECK(fake.metrics().observed("wait_seconds") == std::vector<double>{1.5, 9});
}

TEST_CASE("what is no metric is none for the fake host either") {
  FakeHost fake;
  const Metrics metrics{Host(fake.services())};
  CHECK_FALSE(metrics.counter("Hits", "help"));
  CHECK_FALSE(metrics.gauge("hits-now", "help"));
  CHECK_FALSE(metrics.histogram("times", "help", {}));
  CHECK_FALSE(metrics.histogram("times", "help", std::array{2.0, 1.0}));
  CHECK_THROWS_AS(fake.metrics().observed("times"), std::out_of_range);
}

TEST_CASE("a metric that the host does not keep does nothing") {
  FakeHost fake;
  const Metrics metrics{Host(fake.services())};
  CHECK(metrics.counter("hits", "help"));
  const Gauge other_kind = metrics.gauge("hits", "help");
  CHECK_FALSE(other_kind);
  other_kind.set(7);
  other_kind.add(7);
  CHECK(fake.metrics().value("hits") == 0);

  const Metrics none{Host()};
  CHECK_FALSE(none.counter("hits", "help"));
  none.counter("hits", "help").add();
  none.gauge("level", "help").set(1);
  none.histogram("times", "help", {}).observe(1);
  Counter().add();
}
