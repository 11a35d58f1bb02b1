// ashlar trace export: a trace in other tools' formats.
#include <CLI/CLI.hpp>

#include "cli/command.hpp"
#include "config/text.hpp"
#include "trace/between.hpp"
#include "trace/export/exporter.hpp"
#include "trace/output.hpp"
#include "trace/selection.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {
namespace {

// Told, who keeps the clients, too.
class ClientsTold : public Told {
 public:
  using Told::Told;
  void client(const trace::Client& client) override { clients.try_emplace({client.run, client.connection}, client); }
  Clients clients;
};

std::string names_text(const char* between = ", ", const char* before_the_last = " and ") {
  std::string text;
  for (const ExportFormat& one : export_formats)
    text += (text.empty()                           ? ""
             : &one + 1 == std::end(export_formats) ? before_the_last
                                                    : between) +
            std::string(one.name);
  return text;
}

const ExportFormat& format_called(const std::string& name) {
  for (const ExportFormat& one : export_formats)
    if (name == one.name) return one;
  throw UsageError("--to: " + in_quotes(name) + " is none of " + names_text());
}

// Of a format for one disk, all records must be of one place.
class OnePlaceAlone {
 public:
  explicit OnePlaceAlone(const ExportFormat& format) : format_(format) {}
  void check(const trace::Record& record) {
    if (!format_.one_disk || record.place == last_) return;
    last_ = record.place;
    const PlaceName here = name_of(*record.place);
    if (!known_) place_ = here;
    known_ = true;
    if (here == place_) return;
    throw UsageError(std::string(format_.name) +
                     " tells of one disk, but the traces are of several places: " + in_quotes(place_.tag) +
                     " of export " + in_quotes(place_.exported) + " and " + in_quotes(here.tag) + " of export " +
                     in_quotes(here.exported) + "; name one file, or choose with --place");
  }

 private:
  const ExportFormat& format_;
  const trace::Place* last_ = nullptr;
  bool known_ = false;
  PlaceName place_;
};

// Throws UsageError when requests are missing.
void need_whole(const ExportFormat& format, const trace::Completeness& whole) {
  std::string missing;
  if (whole.beginning_lost) missing = "its beginning is lost, as max_size was too small, or it is of a ring";
  else if (whole.dropped != 0) missing = std::to_string(whole.dropped) + " requests were dropped and have no record";
  else if (whole.broken) missing = "a part of it is broken";
  if (!missing.empty()) throw UsageError(std::string(format.name) + " needs a whole trace: " + missing);
}

}  // namespace

std::string Unsaid::text() const {
  std::string text;
  for (const auto& [what, count] : counts_) text += (text.empty() ? "" : "; ") + std::to_string(count) + " " + what;
  return text;
}

int export_command(const Words& words, Streams streams) {
  CLI::App app("A trace in another tool's format", "ashlar trace export");
  std::vector<std::string> paths;
  std::string output_path, to;
  Selection selection;
  app.add_option("TRACE", paths, "Traces, of one server or of several; they are read together")
      ->type_name("")
      ->required();
  app.add_option("--to", to, "The format")->type_name(names_text("|", "|"))->required();
  selection.add_to(app);
  add_output(app, output_path);
  if (!parse(app, words, streams)) return exit_ok;
  selection.prepare();
  const ExportFormat& format = format_called(to);
  if (format.needs_file && output_path.empty())
    throw UsageError(to + " needs -o FILE, as its beginning is written when the end is known");
  if (format.needs_whole && !selection.is_of_places_only())
    throw UsageError(to + " needs all requests: of the selections, --place alone goes with it");

  ClientsTold told(streams.err);
  told.prints_to(output_path);
  trace::TraceReader reader(paths, told);
  Output output(output_path, streams.out, paths);
  Unsaid unsaid;
  const auto exporter = format.make({output.stream(), reader, told.clients, unsaid});
  OnePlaceAlone one_place(format);
  trace::Record record;
  while (reader.next(record) && output.stream()) {
    if (!selection.has(record)) continue;
    one_place.check(record);
    exporter->add(record);
  }
  if (output.stream()) selection.need_places(reader);
  if (format.needs_whole) need_whole(format, reader.completeness());
  if (output.stream()) exporter->end();
  output.close();
  told.clear();
  if (const std::string text = unsaid.text(); !text.empty())
    streams.err << "ashlar: trace: export: " << to << " cannot say: " << text << "\n" << std::flush;
  tell_dropped(streams.err, "export", reader.completeness());
  return reader.completeness().broken ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
