// ashlar trace show: a line for each request.
#include <CLI/CLI.hpp>

#include "format/trace_reader.hpp"
#include "trace/lines.hpp"
#include "trace/output.hpp"
#include "trace/selection.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

int show_command(const Words& words, Streams streams) {
  CLI::App app("A line for each request, in the order in which they came", "ashlar trace show");
  std::vector<std::string> paths;
  std::string output_path;
  bool as_json = false;
  Selection selection;
  app.add_option("TRACE", paths, "Traces, of one server or of several; they are read together")
      ->type_name("")
      ->required();
  app.add_flag("--json", as_json, "A JSON object a line");
  selection.add_to(app);
  add_output(app, output_path);
  if (!parse(app, words, streams)) return exit_ok;
  selection.prepare();

  Told told(streams.err);
  told.prints_to(output_path);
  trace::TraceReader reader(paths, told);
  Output output(output_path, streams.out, paths);
  Lines lines;
  trace::Record record;
  while (reader.next(record) && output.stream())
    if (selection.has(record)) output.stream() << (as_json ? lines.json(record) : lines.text(record)) << '\n';
  if (output.stream()) selection.need_places(reader);
  output.close();
  return reader.completeness().broken ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
