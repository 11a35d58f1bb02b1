#include "trace/between.hpp"

#include <algorithm>

namespace ashlar::host::traces {
namespace {

constexpr std::uint64_t block = 4096;

template <class Kinds>
Between::Sums& sums_of(Kinds& kinds, Op op) {
  return op == Op::read ? kinds.reads : op == Op::write ? kinds.writes : kinds.others;
}

// Of what came by the upper place, with what came below of it.
Between::Sums together(const Between::Sums& upper, const Between::Sums& both) {
  Between::Sums sums = both;
  sums.upper_requests = upper.upper_requests;
  sums.upper_bytes = upper.upper_bytes;
  sums.upper_time = upper.upper_time;
  sums.spared = upper.spared - both.spared;
  sums.spared_time = upper.spared_time - both.spared_time;
  return sums;
}

}  // namespace

// What changes a part of a block has to read the block; of what is read, the blocks come that it lies in. What is read
// ahead is no such thing, nor is what a flush writes back.
bool Between::has_grown(const Seen& up, const Seen& down) {
  if (up.bytes == 0 || down.bytes <= up.bytes) return false;
  if (up.op == Op::read) return !up.in_blocks && down.bytes < up.bytes + 2 * block;
  return (up.op == Op::write || up.op == Op::zero || up.op == Op::trim) && down.reads != 0;
}

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
    here.reads += record.op == Op::read ? 1 : 0;
    here.well &= record.result == 0;
    here.in_blocks &= (record.offset | record.length) % block == 0;
  }
  for (const auto& [upper, up] : seen) {
    places_[upper].was_asked = true;
    // What is of no client's request has no name by which it could be found again below.
    if (group.front().id == 0) continue;
    Sums& all = sums_of(places_[upper], up.op);
    all.upper_requests += up.requests;
    all.upper_bytes += up.bytes;
    all.upper_time += up.time;
    all.spared += up.well ? 1 : 0;  // those that came below are taken off at the end
    all.spared_time += up.well ? up.time : 0;
    for (const auto& [lower, down] : seen) {
      if (lower == upper || lower.exported != upper.exported) continue;
      Both& both = both_[{upper, lower}];
      Sums& sums = sums_of(both, up.op);
      if (down.start >= up.start && down.done <= up.done) ++both.inside;
      sums.lower_requests += down.requests;
      sums.lower_bytes += down.bytes;
      sums.lower_time += down.time;
      sums.spared += up.well ? 1 : 0;
      sums.spared_time += up.well ? up.time : 0;
      if (!has_grown(up, down)) continue;
      ++sums.grown_requests;
      sums.grown_blocks += up.in_blocks ? 1 : 0;
      sums.grown_time += up.time > down.time ? up.time - down.time : 0;
    }
  }
}

void Between::know(const PlaceName& place) { places_.try_emplace(place); }

std::vector<Between::Pair> Between::pairs() const {
  const auto inside = [this](const PlaceName& upper, const PlaceName& lower) {
    const auto found = both_.find({upper, lower});
    return found != both_.end() ? found->second.inside : 0;
  };
  const auto has_none = [this](const PlaceName& name) { return !places_.at(name).was_asked; };
  // How many places of its export each is above. One that nothing came to is below those that something came to.
  std::vector<std::pair<PlaceName, std::size_t>> order;
  for (const auto& [name, unused] : places_) {
    std::size_t above = 0;
    for (const auto& [other, unused_too] : places_)
      if (other != name && (inside(name, other) > inside(other, name) || (has_none(other) && !has_none(name)))) ++above;
    order.emplace_back(name, above);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.first.exported, b.second, a.first) < std::tuple(b.first.exported, a.second, b.first);
  });
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    const PlaceName &upper = order[i].first, &lower = order[i + 1].first;
    if (upper.exported != lower.exported || has_none(upper)) continue;
    if (inside(upper, lower) == 0 && !has_none(lower)) continue;
    const auto found = both_.find({upper, lower});
    const Kinds both = found != both_.end() ? Kinds(found->second) : Kinds();
    const Kinds& all = places_.at(upper);
    pairs.push_back({upper, lower, together(all.reads, both.reads), together(all.writes, both.writes),
                     together(all.others, both.others)});
  }
  return pairs;
}

}  // namespace ashlar::host::traces
