#include "metrics/accept.hpp"

#include "catch.hpp"

using namespace ashlar::host;

TEST_CASE("OpenMetrics is for whoever asks for it") {
  const std::string_view accept =
      GENERATE("application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8",
               "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
               "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
               "APPLICATION/OpenMetrics-Text", "text/html , application/openmetrics-text ; Q = 0.5",
               "*/*, application/openmetrics-text", "application/openmetrics-text;q=0.5,text/plain;q=0.5",
               "application/openmetrics-text;q=many");
  CAPTURE(accept);
  CHECK(format_for(accept) == Exposition::Format::open_metrics);
}

TEST_CASE("whoever does not, or likes plain text more, gets Prometheus's format") {
  const std::string_view accept =
      GENERATE("", "*/*", "text/plain", "text/html", "application/openmetrics-text;q=0",
               "application/openmetrics-text; version=1.0.0; q=0.000", "application/openmetrics-text;q=0.1, text/plain",
               "text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.8", "application/openmetrics-textual",
               "x/application/openmetrics-text", ",;=,", "application/openmetrics-text;q=0.2;q=0");
  CAPTURE(accept);
  CHECK(format_for(accept) == Exposition::Format::prometheus);
}
