// The text of /metrics: what is told of exports and their layers, and how those who ask share it.
#include <boost/asio/io_context.hpp>

#include "chain/template.hpp"
#include "fake_export.hpp"
#include "matchers.hpp"
#include "server/scrapes.hpp"
#include "server/server_metrics.hpp"

namespace ashlar::host {
namespace {

// How many lines of `text` begin with `start`.
std::size_t lines_with(const std::string& text, const std::string& start) {
  std::size_t n = 0;
  for (auto at = text.find("\n" + start); at != std::string::npos; at = text.find("\n" + start, at + 1)) ++n;
  return n;
}

Figures figures_of(const std::shared_ptr<Export>& exported) {
  Figures now;
  now.exports = std::make_shared<const Exports>(1, exported);
  return now;
}

std::string text_of(const std::shared_ptr<Export>& exported) {
  return metrics_text(figures_of(exported), Exposition::Format::prometheus);
}

void add_counter(const ashlar_create& how, const char* name, double value) {
  const auto* metrics = static_cast<const ashlar_metrics*>(how.host->extension(how.host->self, ASHLAR_METRICS_ID));
  metrics->add(metrics->make(metrics->self, ASHLAR_COUNTER, name, "counts", nullptr, 0), value);
}

}  // namespace

TEST_CASE("metrics: requests and each of their errors are told from 0 on") {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  FakeExport made(std::vector<FakeModule*>{&plugin});
  const std::string text = text_of(made.shared());
  CHECK_THAT(text, ContainsSubstring("\nashlar_requests_total{export=\"disk\",op=\"read\"} 0\n"));
  CHECK_THAT(text, ContainsSubstring("\nashlar_request_errors_total{export=\"disk\",op=\"write\",error=\"EIO\"} 0\n"));
  CHECK(lines_with(text, "ashlar_request_errors_total{") == counted_ops * told_errors.size());
  CHECK_THAT(text, ContainsSubstring("\nashlar_connections_refused_total{export=\"disk\"} 0\n") &&
                       ContainsSubstring("\nashlar_clients_turned_away_total 0\n"));
}

TEST_CASE("metrics: a layer's counters x and x_total are one line, and those of two layers are two") {
  FakeModule top{ModuleKind::filter, "top"}, plugin{ModuleKind::plugin, "disk"};
  for (FakeModule* const module : {&top, &plugin})
    module->create_how = [](const ashlar_create& how, ashlar_layer&) {
      add_counter(how, "x", 1);
      add_counter(how, "x_total", 2);
    };
  FakeExport made(std::vector<FakeModule*>{&top, &plugin});
  const std::string text = text_of(made.shared());
  CHECK(lines_with(text, "ashlar_module_x_total{") == 2);
  CHECK_THAT(text, ContainsSubstring("ashlar_module_x_total{export=\"disk\",layer=\"top\",place=\"1\"} 1\n") &&
                       ContainsSubstring("ashlar_module_x_total{export=\"disk\",layer=\"disk\",place=\"2\"} 1\n"));
}

TEST_CASE("metrics: of a template there are figures of the names that were opened") {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  FakeExport made(std::vector<FakeModule*>{&plugin}, {.name = "images/*", .at = "*"});
  const auto opened = made->as_template()->make("images/opened"), asked = made->as_template()->make("images/asked");
  { const Account one(*opened->accounts(), {}); }
  const std::string text = text_of(made.shared());
  CHECK(lines_with(text, "ashlar_connections{") == 1);
  CHECK_THAT(text, ContainsSubstring("\nashlar_connections{export=\"images/opened\"} 0\n"));
}

TEST_CASE("metrics: a server that stops does not go through all exports") {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  FakeExport made(std::vector<FakeModule*>{&plugin});
  made->activity().stop();
  CHECK(lines_with(text_of(made.shared()), "ashlar_connections{") == 0);
}

TEST_CASE("scrapes: one that comes while another is made shares the next with all who wait") {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  FakeExport made(std::vector<FakeModule*>{&plugin});
  boost::asio::io_context io{1};
  Executor executor;
  int looked = 0;
  Scrapes scrapes(io, executor, [&] {
    ++looked;
    return figures_of(made.shared());
  });
  std::vector<std::shared_ptr<const std::string>> texts;
  const auto keep = [&](std::shared_ptr<const std::string> text) { texts.push_back(std::move(text)); };
  scrapes.ask(Exposition::Format::prometheus, keep);
  scrapes.ask(Exposition::Format::prometheus, keep);
  scrapes.ask(Exposition::Format::open_metrics, keep);
  scrapes.ask(Exposition::Format::prometheus, keep);
  CHECK(texts.empty());
  for (auto guard = boost::asio::make_work_guard(io); texts.size() < 4;) io.run_one();
  CHECK(looked == 2);
  CHECK(texts[1] == texts[3]);
  CHECK(*texts[0] == *texts[1]);
  CHECK_THAT(*texts[2], EndsWith("# EOF\n"));
}

TEST_CASE("scrapes: once stopped nobody is answered") {
  FakeModule plugin{ModuleKind::plugin, "disk"};
  FakeExport made(std::vector<FakeModule*>{&plugin});
  boost::asio::io_context io{1};
  int answered = 0;
  {
    Executor executor;
    Scrapes scrapes(io, executor, [&] { return figures_of(made.shared()); });
    for (int i = 0; i < 2; ++i) scrapes.ask(Exposition::Format::prometheus, [&](const auto&) { ++answered; });
    scrapes.stop();
    io.run_one();
  }
  CHECK(answered == 0);
}

}  // namespace ashlar::host
