#include "trace/selection.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "config/text.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {

void need_places(const trace::TraceReader& reader, const std::vector<std::string>& tags) {
  std::set<std::string> known;
  for (std::size_t n = 0; n != reader.files(); ++n)
    for (const trace::Place& place : reader.file(n).places()) known.insert(place.tag);
  for (const std::string& tag : tags) {
    if (known.contains(tag)) continue;
    std::string names;
    for (const std::string& one : known) names += (names.empty() ? "" : ", ") + in_quotes(one);
    throw UsageError("--place: there is no place " + in_quotes(tag) +
                     (names.empty() ? "; the trace has none" : "; the trace has " + names));
  }
}

void Selection::add_to(CLI::App& app) {
  const auto repeatable = [&app](const char* name, auto& into, const char* type, const char* help) {
    return app.add_option(name, into, help)->type_name(type)->allow_extra_args(false);
  };
  repeatable("--op", op_names_, "OP", "Only read, write, flush, trim, zero, cache or extents; may be repeated");
  app.add_option("--range", range_text_, "Only what touches these bytes: 1M..2M")->type_name("FROM..TO");
  app.add_option("--slower", slower_text_, "Only what took longer in the layers below: 1ms")->type_name("TIME");
  app.add_flag("--failed", failed_, "Only what did not end well");
  repeatable("--connection", connections_, "N", "Only of this connection; may be repeated")->check(whole_number);
  repeatable("--place", places_, "TAG", "Only as this layer saw it; may be repeated");
}

void Selection::prepare() {
  if (!op_names_.empty()) ops_ = {};
  for (const std::string& one : op_names_) {
    const auto op = op_called(one);
    if (!op)
      throw UsageError("--op: " + in_quotes(one) + " is none of read, write, flush, trim, zero, cache and extents");
    ops_ |= Ops{*op};
    all_ops_ = false;
  }
  if (!range_text_.empty()) {
    const auto range = parse_range(range_text_);
    if (!range)
      throw UsageError("--range: " + in_quotes(range_text_) + " is no range of bytes; write FROM..TO: 1M..2M");
    std::tie(from_, to_) = *range;
    in_range_ = true;
  }
  if (slower_text_.empty()) return;
  const auto time = parse_duration(slower_text_);
  if (!time) throw UsageError("--slower: " + in_quotes(slower_text_) + " is no time; write 500us, 1ms or 2s");
  slower_ = *time;
}

bool Selection::is_of_places_only() const {
  return all_ops_ && !in_range_ && slower_text_.empty() && !failed_ && connections_.empty();
}

bool Selection::has(const trace::Record& record) const {
  const auto one_of = [](const auto& all, const auto& one) {
    return all.empty() || std::find(all.begin(), all.end(), one) != all.end();
  };
  if (!all_ops_ && (record.op > Op::extents || !ops_.has(record.op))) return false;
  if (in_range_ && (record.length == 0 || record.end() <= from_ || record.offset >= to_)) return false;
  if (!slower_text_.empty() && (record.done < record.start || record.done - record.start <= slower_)) return false;
  if (failed_ && record.result == 0) return false;
  return one_of(connections_, record.connection) && one_of(places_, record.place->tag);
}

}  // namespace ashlar::host::traces
