#include "trace/one_place.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "config/text.hpp"
#include "trace/output.hpp"

namespace ashlar::host::traces {
namespace {

// Refuses a choice that is none.
Contents only_one(std::map<PlaceName, Contents>& found, const std::string& tag) {
  if (found.size() == 1) return found.begin()->second;
  if (found.empty())
    throw UsageError(tag.empty() ? "the trace has no request"
                                 : "the trace has no request of a place " + in_quotes(tag));
  std::string names;
  for (const auto& [name, contents] : found)
    names += (names.empty() ? "" : ", ") + in_quotes(name.tag) + " of export " + in_quotes(name.exported);
  throw UsageError("the trace has more than one place: " + names + "; say which by --place TAG");
}

Contents look(trace::FileReader& reader, const std::string& tag) {
  std::map<PlaceName, Contents> found;
  std::map<PlaceName, std::set<std::pair<std::uint64_t, std::uint64_t>>> connections;
  trace::Record record;
  while (reader.next(record)) {
    if (!tag.empty() && record.place->tag != tag) continue;
    const PlaceName name = name_of(*record.place);
    Contents& one = found[name];
    one.place = name;
    ++one.requests;
    one.size = std::max(one.size, record.place->size);
    if (record.result == 0) one.end = std::max(one.end, record.end());
    const bool well = record.result == 0 && record.length != 0;
    if (well && record.op == Op::read) ++one.reads;
    if (well && record.op == Op::write) ++one.writes;
    if (well && record.op == Op::write && record.payload != trace::PayloadKind::data) ++one.without_data;
    if (well && record.op == Op::read && record.payload == trace::PayloadKind::none) ++one.without_hashes;
    connections[name].emplace(record.run, record.connection);
  }
  Contents contents = only_one(found, tag);
  contents.connections = connections[contents.place].size();
  contents.completeness = reader.completeness();
  return contents;
}

// What is wrong with the file has been told when it was looked at.
trace::Listener& nobody() {
  static trace::Listener listener;
  return listener;
}

}  // namespace

OnePlace::OnePlace(const std::string& path, const std::string& tag, trace::Listener& listener)
    : path_(path), looked_(path, listener), contents_(look(looked_, tag)), reader_({path}, nobody()) {
  refuse_other(!looked_.is_at_path());
}

// Another run's requests are not those that were looked at.
void OnePlace::refuse_other(bool is_other) const {
  if (is_other || looked_.is_begun_anew()) throw trace::TraceError(path_ + ": it was written over while it was read");
}

void OnePlace::tell_missing(std::ostream& err, const char* command) const {
  tell_dropped(err, command, contents_.completeness);
  if (const std::uint64_t killed = contents_.completeness.killed; killed != 0)
    err << "ashlar: trace: " << command << ": " << killed << (killed == 1 ? " run has" : " runs have")
        << " no end, as the server was killed: what it was asked in its last second may be missing\n"
        << std::flush;
}

bool OnePlace::next(trace::Record& record) {
  while (reader_.next(record))
    if (name_of(*record.place) == contents_.place) return true;
  refuse_other(reader_.completeness().broken && !contents_.completeness.broken);
  return false;
}

void add_place(CLI::App& app, std::string& tag) {
  app.add_option("--place", tag, "What this layer saw; needed when the trace has several")->type_name("TAG");
}

}  // namespace ashlar::host::traces
