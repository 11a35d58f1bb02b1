// ashlar trace report: the answers.
#include <CLI/CLI.hpp>

#include "cli/json.hpp"
#include "trace/html/page.hpp"
#include "trace/output.hpp"
#include "trace/report.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

int report_command(const Words& words, Streams streams) {
  CLI::App app("What was asked, how long it took, and what could be better", "ashlar trace report");
  std::vector<std::string> paths;
  std::string output_path;
  bool as_json = false, as_page = false;
  app.add_option("TRACE", paths, "Traces, of one server or of several; they are read together")
      ->type_name("")
      ->required();
  app.add_flag("--json", as_json, "Print JSON, for programs");
  app.add_flag("--html", as_page, "Print a page with pictures, for a browser")->excludes(app.get_option("--json"));
  add_output(app, output_path);
  if (!parse(app, words, streams)) return exit_ok;
  if (as_page) need_page();

  Told told(streams.err);
  trace::TraceReader reader(paths, told);
  const Report report(reader);
  told.clear();
  Output output(output_path, streams.out, paths);
  if (as_page) output.stream() << page_of(report);
  else if (as_json) print_json(output.stream(), to_json(report));
  else print(output.stream(), report);
  output.close();
  return report.completeness().broken ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
