// Advice: what a report's figures say that could be done better, of the layers between two places and of errors.
#include <algorithm>

#include "trace/request_advice.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

// With this errno, of all ops.
std::uint64_t failed_with(const PlaceStats& stats, std::int32_t number) {
  std::uint64_t all = 0;
  for (const OpStats& op : stats.by_op())
    if (const auto found = op.by_errno.find(number); found != op.by_errno.end()) all += found->second;
  return all;
}

// Where an error was made it is told, and not again of the layers above. `below`: the next place; null: none.
void on_errors(const PlaceStats& stats, const PlaceStats* below, std::vector<Advice>& advice) {
  for (std::size_t i = 0; i != PlaceStats::ops; ++i)
    for (const auto& [number, count] : stats.by_op()[i].by_errno) {
      if (number == ENOTSUP) continue;
      const std::uint64_t here = failed_with(stats, number), there = below != nullptr ? failed_with(*below, number) : 0;
      if (there >= here) continue;
      std::string text = std::to_string(count) + " of " + std::to_string(stats.by_op()[i].count) + " requests to " +
                         name(static_cast<Op>(i)) + " failed with " + result_text(number);
      if (there != 0) text += ", " + std::to_string(there) + " of them below \"" + below->place().tag + "\"";
      if (below != nullptr) text += ", made between \"" + stats.place().tag + "\" and \"" + below->place().tag + "\"";
      advice.push_back({stats.place().tag, text + ": ashlar trace show --failed lists them"});
    }
}

// What a kind of requests lost between two places.
struct Lost {
  const char* what;
  std::uint64_t requests;
  double time;  // nanoseconds
};

double mean(std::uint64_t sum, std::uint64_t count) {
  return count != 0 ? static_cast<double>(sum) / static_cast<double>(count) : 0;
}

// What was answered in between, as a cache does, is no loss when it took less time than what came below: `usual`, or
// what that took of this kind; nanoseconds.
Lost lost_of(const char* what, const Between::Sums& sums, double usual) {
  const std::uint64_t passed = sums.upper_requests - sums.spared;
  const bool spares_time = mean(sums.spared_time, sums.spared) <= (passed != 0 ? mean(sums.lower_time, passed) : usual);
  const std::uint64_t left = spares_time ? passed : sums.upper_requests;
  const std::uint64_t upper = spares_time ? sums.upper_time - sums.spared_time : sums.upper_time;
  return {what, left, upper > sums.lower_time ? static_cast<double>(upper - sums.lower_time) : 0};
}

std::vector<Lost> lost_of(const Between::Pair& pair) {
  const Between::Sums* const all[] = {&pair.reads, &pair.writes, &pair.others};
  std::uint64_t passed = 0, time = 0;
  for (const Between::Sums* const sums : all) {
    passed += sums->upper_requests - sums->spared;
    time += sums->lower_time;
  }
  constexpr double nothing_came_below = 1e6;
  const double usual = passed != 0 ? mean(time, passed) : nothing_came_below;
  return {lost_of("reads", pair.reads, usual), lost_of("writes", pair.writes, usual),
          lost_of("other requests", pair.others, usual)};
}

constexpr const char* of_larger_blocks = "have the client ask for more at once, or give that layer smaller blocks";

// Of requests that are no whole blocks, those in one block wait for each other. The layer where they do is not slow.
std::string on_waiting(const Between::Pair& pair, double share) {
  std::uint64_t grown = 0, in_blocks = 0;
  for (const Between::Sums* const sums : {&pair.reads, &pair.writes, &pair.others}) {
    grown += sums->grown_requests;
    in_blocks += sums->grown_blocks;
  }
  const std::string where = percent(share, 1) + " of the time below \"" + pair.upper.tag + "\" is spent above \"" +
                            pair.lower.tag + "\", most of it in " + std::to_string(grown) + " requests that are ";
  if (in_blocks * 2 > grown)
    return where + "smaller than the blocks of a layer between the two, which reads and writes some for each: " +
           of_larger_blocks;
  return where +
         "no whole blocks below: each has blocks read and written for it, and waits for the others "
         "in its block: set the client's block size, a file system's to 4096";
}

// Names the kind of requests that lost most of the time.
std::string on_slow_layer(const Between::Pair& pair, const std::vector<Lost>& kinds, double upper, double all_lost) {
  const Lost& most =
      *std::max_element(kinds.begin(), kinds.end(), [](const Lost& a, const Lost& b) { return a.time < b.time; });
  return percent(all_lost, upper) + " of the time below \"" + pair.upper.tag + "\" (" + duration_text(all_lost) +
         " of " + duration_text(upper) + ") is spent above \"" + pair.lower.tag + "\", " + duration_text(most.time) +
         " of it in " + std::to_string(most.requests) + " " + most.what + ", " +
         duration_text(most.time / static_cast<double>(std::max<std::uint64_t>(most.requests, 1))) +
         " each: the slow layer is between the two";
}

// Why more bytes of writes came below than above.
std::string why_more(const Between::Sums& writes) {
  if (writes.grown_requests * 2 <= writes.upper_requests)
    return "a layer between the two makes more of them than it is asked to write";
  if (writes.grown_blocks * 2 > writes.grown_requests)
    return std::string("a layer between the two has larger blocks: ") + of_larger_blocks;
  return "they are no whole blocks: set the client's block size, a file system's to 4096";
}

void on_layers(const std::vector<Between::Pair>& pairs, std::vector<Advice>& advice) {
  for (const Between::Pair& pair : pairs) {
    const std::vector<Lost> kinds = lost_of(pair);
    const auto upper = static_cast<double>(pair.reads.upper_time + pair.writes.upper_time + pair.others.upper_time);
    double lost = 0;
    for (const Lost& one : kinds) lost += one.time;
    const bool much = upper > 1e6 && lost > 0.5 * upper;
    const auto grown = static_cast<double>(pair.reads.grown_time + pair.writes.grown_time + pair.others.grown_time);
    if (much && grown > 0.5 * lost) {
      advice.push_back({pair.upper.tag, on_waiting(pair, lost / upper)});
      continue;
    }
    if (much) advice.push_back({pair.upper.tag, on_slow_layer(pair, kinds, upper, lost)});
    const Between::Sums& writes = pair.writes;
    if (writes.upper_requests < 20 || writes.lower_bytes <= 2 * writes.upper_bytes) continue;
    advice.push_back({pair.upper.tag, std::to_string(writes.upper_bytes) + " bytes of writes at \"" + pair.upper.tag +
                                          "\" became " + std::to_string(writes.lower_bytes) + " bytes at \"" +
                                          pair.lower.tag + "\": " + why_more(writes)});
  }
}

}  // namespace

std::vector<Advice> Report::advice() const {
  std::vector<Advice> advice;
  on_layers(between_, advice);
  for (const auto& place : places_) {
    const PlaceStats* below = nullptr;
    Around around;
    for (const Between::Pair& pair : between_) {
      if (pair.upper == name_of(place->place())) {
        below = by_name_.at(pair.lower);
        around.below = &pair;
      }
      if (pair.lower == name_of(place->place())) {
        around.above = by_name_.at(pair.upper);
        around.from_above = &pair;
      }
    }
    on_errors(*place, below, advice);
    on_requests(*place, around, advice);
  }
  return advice;
}

}  // namespace ashlar::host::traces
