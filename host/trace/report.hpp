// Report: the answers of a trace, gathered in one reading. Its memory does not grow with the trace.
#pragma once
#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "format/trace_reader.hpp"
#include "trace/between.hpp"
#include "trace/place_stats.hpp"

namespace ashlar::host::traces {

// One thing to do, in plain words with the figure behind it.
struct Advice {
  std::string place;
  std::string text;
};

class Report {
 public:
  // Reads all of it. Throws trace::TraceError.
  explicit Report(trace::TraceReader& reader);

  // By export and, as far as it is known, from the client down.
  const std::vector<std::unique_ptr<PlaceStats>>& places() const { return places_; }
  const std::vector<Between::Pair>& between() const { return between_; }
  const trace::Completeness& completeness() const { return completeness_; }
  std::vector<Advice> advice() const;

 private:
  PlaceStats& stats_of(const trace::Place& place);
  void add(const trace::Record& record, trace::TraceReader& reader);
  void add_payload(PlaceStats& stats, const trace::Record& record, trace::TraceReader& reader);

  std::vector<std::unique_ptr<PlaceStats>> places_;
  std::map<PlaceName, PlaceStats*> by_name_;
  std::map<const trace::Place*, PlaceStats*> by_place_;
  std::vector<Between::Pair> between_;
  trace::Completeness completeness_;
  std::map<std::uint64_t, std::uint64_t> hashes_of_zeroes_;  // by length
  std::vector<std::byte> payload_;
  std::uint64_t not_read_ = 0;  // records whose payload was gone
};

// As `report --json` prints it: {"requests", "dropped", "places": [...], …}; README.md of the filter has each key.
boost::json::object to_json(const Report& report);
// For people.
void print(std::ostream& out, const Report& report);

}  // namespace ashlar::host::traces
