#include <boost/json/array.hpp>

#include "cli/json.hpp"
#include "trace/report.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

json::object percentiles(const Histogram& h) {
  return {{"p50", h.percentile(0.5)},
          {"p90", h.percentile(0.9)},
          {"p99", h.percentile(0.99)},
          {"p99.9", h.percentile(0.999)},
          {"max", h.most()}};
}

// {"4096": 17}: what is not there is left out.
template <class Counts>
json::object by_power(const Counts& counts) {
  json::object all;
  for (std::size_t power = 0; power < counts.size() && power < 64; ++power)
    if (counts[power] != 0) all[std::to_string(std::uint64_t{1} << power)] = counts[power];
  return all;
}

json::object op_json(const OpStats& op) {
  json::object errnos;
  for (const auto& [number, count] : op.by_errno) errnos[result_text(number)] = count;
  return {{"count", op.count},
          {"bytes", op.bytes},
          {"errors", op.errors},
          {"latency_ns", percentiles(op.latency)},
          {"reply_ns", percentiles(op.reply)},
          {"errnos", errnos},
          {"sizes", by_power(op.sizes)},
          {"alignments", by_power(op.alignments)},
          {"sequential", op.sequential}};
}

json::object record_json(const trace::Record& r) {
  return {{"id", r.id},
          {"connection", r.connection},
          {"op", name(r.op)},
          {"offset", r.offset},
          {"length", r.length},
          {"flags", flags_text(r.flags)},
          {"start", r.start},
          {"done", r.done},
          {"sent", r.sent},
          {"depth", r.depth},
          {"result", result_text(r.result)},
          {"time", json_text(calendar_text(static_cast<std::int64_t>(r.start) + r.place->to_realtime))}};
}

json::object slow_json(const Slow& slow) {
  json::object one = record_json(slow.record);
  json::array before, after;
  for (const trace::Record& r : slow.before) before.push_back(record_json(r));
  for (const trace::Record& r : slow.after) after.push_back(record_json(r));
  one["before"] = std::move(before);
  one["after"] = std::move(after);
  return one;
}

json::object timeline_json(const Timeline& timeline) {
  json::array slices;
  for (const Timeline::Slice& slice : timeline.slices()) {
    json::object one{{"depth", slice.busy / static_cast<double>(timeline.width())},
                     {"max_depth", timeline.most_depth(slice)}};
    for (std::size_t i = 0; i != Timeline::ops; ++i)
      if (slice.count[i] != 0)
        one[name(static_cast<Op>(i))] = json::object{{"count", slice.count[i]},
                                                     {"bytes", slice.bytes[i]},
                                                     {"p50_ns", slice.latency[i].percentile(0.5)},
                                                     {"p99_ns", slice.latency[i].percentile(0.99)},
                                                     {"max_ns", slice.longest[i]}};
    slices.push_back(std::move(one));
  }
  return {{"begin", json_text(calendar_text(timeline.begin()))},
          {"slice_ns", timeline.width()},
          {"slices", std::move(slices)}};
}

json::array ranges_json(const PlaceStats& stats) {
  json::array all;
  for (std::size_t i = 0; i != stats.by_range().size(); ++i) {
    const auto& [read, written] = stats.by_range()[i];
    if (read + written != 0)
      all.push_back(json::object{{"offset", i * stats.range_bytes()}, {"read", read}, {"written", written}});
  }
  return all;
}

json::object place_json(const PlaceStats& stats) {
  json::object ops;
  for (std::size_t i = 0; i != PlaceStats::ops; ++i)
    if (stats.by_op()[i].count != 0) ops[name(static_cast<Op>(i))] = op_json(stats.by_op()[i]);
  json::array slowest;
  for (const Slow& slow : stats.slowest()) slowest.push_back(slow_json(slow));
  const Touched& touched = stats.touched();
  return {{"place", json_text(stats.place().tag)},
          {"export", json_text(stats.place().exported)},
          {"size", stats.place().size},
          {"requests", stats.requests()},
          {"repeated", stats.repeated()},
          {"ops", std::move(ops)},
          {"working_set_bytes", touched.working_set()},
          {"overwritten_bytes", touched.overwritten()},
          {"overwrite_distance_bytes", percentiles(touched.distance())},
          {"estimates", touched.is_estimate()},
          {"zeroes_written_bytes",
           stats.place().payload == trace::PayloadKind::none ? json::value(nullptr) : json::value(stats.zeroes())},
          {"misaligned_writes", stats.misaligned_writes()},
          {"fua_writes", stats.fua_writes()},
          {"idle_flushes", stats.idle_flushes()},
          {"partial_trims", stats.partial_trims()},
          {"dirty_at_flush_bytes", percentiles(stats.dirty())},
          {"between_flushes_ns", percentiles(stats.between_flushes())},
          {"range_bytes", stats.range_bytes()},
          {"ranges", ranges_json(stats)},
          {"timeline", timeline_json(stats.timeline())},
          {"slowest", std::move(slowest)}};
}

json::object sums_json(const Between::Sums& sums) {
  return {{"upper_requests", sums.upper_requests},
          {"upper_bytes", sums.upper_bytes},
          {"lower_requests", sums.lower_requests},
          {"lower_bytes", sums.lower_bytes},
          {"spared", sums.spared},
          {"upper_ns", sums.upper_time},
          {"lower_ns", sums.lower_time}};
}

}  // namespace

boost::json::object to_json(const Report& report) {
  json::array places, between, advice;
  for (const auto& place : report.places()) places.push_back(place_json(*place));
  for (const Between::Pair& pair : report.between())
    between.push_back(json::object{{"export", json_text(pair.upper.exported)},
                                   {"upper", json_text(pair.upper.tag)},
                                   {"lower", json_text(pair.lower.tag)},
                                   {"read", sums_json(pair.reads)},
                                   {"write", sums_json(pair.writes)},
                                   {"other", sums_json(pair.others)}});
  for (const Advice& one : report.advice())
    advice.push_back(json::object{{"place", json_text(one.place)}, {"text", json_text(one.text)}});
  const trace::Completeness& whole = report.completeness();
  return {{"requests", whole.records},   {"dropped", whole.dropped},
          {"left_out", whole.left_out},  {"beginning_lost", whole.beginning_lost},
          {"broken", whole.broken},      {"ended", whole.ended},
          {"places", std::move(places)}, {"between", std::move(between)},
          {"advice", std::move(advice)}};
}

}  // namespace ashlar::host::traces
