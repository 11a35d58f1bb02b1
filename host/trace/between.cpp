#include "trace/between.hpp"

#include <algorithm>

namespace ashlar::host::traces {

void Between::add(const std::vector<trace::Record>& group) {
  std::map<PlaceName, Seen> seen;
  for (const trace::Record& record : group) {
    Seen& here = seen[name_of(*record.place)];
    if (here.requests++ == 0) {
      here.start = record.start;
      here.op = record.op;
    }
    here.bytes += record.length;
    here.done = std::max(here.done, record.done);
    here.time += record.done > record.start ? record.done - record.start : 0;
  }
  for (const auto& [name, what] : seen) places_[name] = true;
  for (const auto& [upper, up] : seen)
    for (const auto& [lower, unused] : places_) {
      if (lower == upper || lower.exported != upper.exported) continue;
      Both& both = both_[{upper, lower}];
      const auto found = seen.find(lower);
      Sums& sums = up.op == Op::read ? both.reads : up.op == Op::write ? both.writes : both.others;
      sums.upper_requests += up.requests;
      sums.upper_bytes += up.bytes;
      sums.upper_time += up.time;
      if (found == seen.end()) {
        ++sums.spared;
        continue;
      }
      const Seen& down = found->second;
      if (down.start >= up.start && down.done <= up.done) ++both.inside;
      sums.lower_requests += down.requests;
      sums.lower_bytes += down.bytes;
      sums.lower_time += down.time;
      if (down.bytes <= up.bytes) continue;
      ++sums.grown_requests;
      sums.grown_time += up.time > down.time ? up.time - down.time : 0;
    }
}

std::vector<Between::Pair> Between::pairs() const {
  const auto inside = [this](const PlaceName& upper, const PlaceName& lower) {
    const auto found = both_.find({upper, lower});
    return found != both_.end() ? found->second.inside : 0;
  };
  // How many places of its export each is above.
  std::vector<std::pair<PlaceName, std::size_t>> order;
  for (const auto& [name, unused] : places_) {
    std::size_t above = 0;
    for (const auto& [other, unused_too] : places_)
      if (other != name && inside(name, other) > inside(other, name)) ++above;
    order.emplace_back(name, above);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.first.exported, b.second, a.first) < std::tuple(b.first.exported, a.second, b.first);
  });
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    const auto found = both_.find({order[i].first, order[i + 1].first});
    if (found == both_.end() || found->second.inside == 0) continue;
    const Both& both = found->second;
    pairs.push_back({order[i].first, order[i + 1].first, both.reads, both.writes, both.others});
  }
  return pairs;
}

}  // namespace ashlar::host::traces
