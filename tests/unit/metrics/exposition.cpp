#include "metrics/exposition.hpp"

#include <array>
#include <limits>

#include "unit/matchers.hpp"

using namespace ashlar::host;
using Kind = Exposition::Kind;

namespace {

std::string with_all(Exposition::Format format) {
  constexpr std::array<double, 2> bounds{0.5, 1};
  constexpr std::array<std::uint64_t, 3> counts{1, 0, 2};
  Exposition out(format);
  out.add(Kind::counter, "b", "Counts", {{"x", "1"}}, 3);
  out.add(Kind::gauge, "a", "Goes\nup \\", {}, 0.25);
  out.add(Kind::counter, "b", "Counts", {{"x", "a\"\\\n"}}, 4);
  out.add_histogram("c", "Times", {{"x", "1"}}, bounds, counts, 7.5);
  return out.text();
}

}  // namespace

TEST_CASE("Prometheus's text") {
  CHECK(with_all(Exposition::Format::prometheus) ==
        "# HELP a Goes\\nup \\\\\n"
        "# TYPE a gauge\n"
        "a 0.25\n"
        "# HELP b_total Counts\n"
        "# TYPE b_total counter\n"
        "b_total{x=\"1\"} 3\n"
        "b_total{x=\"a\\\"\\\\\\n\"} 4\n"
        "# HELP c Times\n"
        "# TYPE c histogram\n"
        "c_bucket{x=\"1\",le=\"0.5\"} 1\n"
        "c_bucket{x=\"1\",le=\"1\"} 1\n"
        "c_bucket{x=\"1\",le=\"+Inf\"} 3\n"
        "c_sum{x=\"1\"} 7.5\n"
        "c_count{x=\"1\"} 3\n");
}

TEST_CASE("OpenMetrics names a counter's family without its ending, and ends with a mark") {
  const std::string text = with_all(Exposition::Format::open_metrics);
  CHECK_THAT(text, ContainsSubstring("# TYPE b counter\nb_total{"));
  CHECK_THAT(text, EndsWith("\n# EOF\n"));
}

TEST_CASE("quotes in a help are escaped where readers want it so") {
  for (const auto& [format, help] : {std::pair(Exposition::Format::prometheus, "# HELP a Of \"x\"\n"),
                                     std::pair(Exposition::Format::open_metrics, "# HELP a Of \\\"x\\\"\n")}) {
    Exposition out(format);
    out.add(Kind::gauge, "a", "Of \"x\"", {}, 1);
    CHECK_THAT(out.text(), StartsWith(help));
  }
}

TEST_CASE("what would have lines of another's name is left out") {
  constexpr std::array<std::uint64_t, 1> counts{3};
  Exposition out(Exposition::Format::prometheus);
  out.add(Kind::counter, "x", "First", {}, 1);
  out.add(Kind::gauge, "x_total", "Second", {}, 2);
  out.add(Kind::gauge, "y_count", "Third", {}, 3);
  out.add_histogram("y", "Fourth", {}, {}, counts, 4);
  out.add(Kind::gauge, "z", "Fifth", {}, 5);
  CHECK(out.text() ==
        "# HELP x_total First\n# TYPE x_total counter\nx_total 1\n"
        "# HELP y_count Third\n# TYPE y_count gauge\ny_count 3\n"
        "# HELP z Fifth\n# TYPE z gauge\nz 5\n");
}

TEST_CASE("a histogram whose last bound is infinite has that line once") {
  constexpr std::array<double, 2> bounds{1, std::numeric_limits<double>::infinity()};
  constexpr std::array<std::uint64_t, 3> counts{1, 2, 0};
  Exposition out(Exposition::Format::prometheus);
  out.add_histogram("h", "Times", {}, bounds, counts, 7);
  CHECK_THAT(out.text(), ContainsSubstring("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 7\n"));
}

TEST_CASE("what has another kind than the first of its name is left out") {
  Exposition out(Exposition::Format::prometheus);
  out.add(Kind::gauge, "a", "First", {}, 1);
  out.add(Kind::counter, "a", "Second", {}, 2);
  out.add_histogram("a", "Third", {}, {}, std::array<std::uint64_t, 1>{3}, 4);
  CHECK(out.text() == "# HELP a First\n# TYPE a gauge\na 1\n");
}
