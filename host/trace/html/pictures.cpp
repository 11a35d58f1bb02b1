#include <boost/json/array.hpp>

#include "cli/json.hpp"
#include "trace/html/page.hpp"

namespace ashlar::host::traces {
namespace {

// A cell and its count, a cell and its count …: cells are numbered column by column, and each is told by how far it is
// behind the one before.
json::array cells_of(const std::vector<std::uint32_t>& counts, unsigned detail) {
  const std::size_t columns = RequestMap::columns >> detail, rows = RequestMap::rows >> detail;
  std::vector<std::uint64_t> merged(columns * rows);
  for (std::size_t i = 0; i != counts.size(); ++i)
    merged[(i / RequestMap::rows >> detail) * rows + (i % RequestMap::rows >> detail)] += counts[i];
  json::array cells;
  std::size_t last = 0;
  for (std::size_t i = 0; i != merged.size(); ++i) {
    if (merged[i] == 0) continue;
    cells.push_back(i - last);
    cells.push_back(merged[i]);
    last = i;
  }
  return cells;
}

json::object map_of(const RequestMap& map, unsigned detail) {
  json::object ops;
  for (std::size_t op = 0; op != RequestMap::ops; ++op)
    if (!map.counts(op).empty()) ops[name(static_cast<Op>(op))] = cells_of(map.counts(op), detail);
  return {{"columns", RequestMap::columns >> detail},
          {"rows", RequestMap::rows >> detail},
          {"column_ns", map.column_ns() << detail},
          {"row_bytes", map.row_bytes() << detail},
          {"ops", std::move(ops)}};
}

// By op, of each slice of the timeline: a step of CoarseHistogram and its count, a step and its count …
json::object latencies_of(const Timeline& timeline) {
  json::object ops;
  for (std::size_t op = 0; op != Timeline::ops; ++op) {
    json::array slices;
    bool any = false;
    for (const Timeline::Slice& slice : timeline.slices()) {
      json::array steps;
      slice.latency[op].for_each([&steps](std::size_t step, std::uint64_t count) {
        steps.push_back(step);
        steps.push_back(count);
      });
      any |= !steps.empty();
      slices.push_back(std::move(steps));
    }
    if (any) ops[name(static_cast<Op>(op))] = std::move(slices);
  }
  return ops;
}

}  // namespace

json::object pictures_of(const Report& report, unsigned detail) {
  json::array places;
  for (const auto& place : report.places()) {
    json::object one;
    if (detail < least_detail) {
      one["map"] = map_of(place->map(), detail);
      one["latencies"] = latencies_of(place->timeline());
    }
    places.push_back(std::move(one));
  }
  return {{"places", std::move(places)}};
}

}  // namespace ashlar::host::traces
