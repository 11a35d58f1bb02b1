// Advice: what a report's figures say that could be done better.
#include <algorithm>
#include <cstdio>
#include <tuple>
#include <utility>

#include "trace/report.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

std::string percent(double part, double whole) {
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", whole > 0 ? 100 * part / whole : 0);
  return text;
}

const OpStats& of(const PlaceStats& stats, Op op) { return stats.by_op()[static_cast<std::size_t>(op)]; }

// `aligned`: a layer below makes whole blocks of them.
void on_writes(const PlaceStats& stats, bool aligned, std::vector<Advice>& advice) {
  const OpStats& writes = of(stats, Op::write);
  const auto add = [&](const std::string& text) { advice.push_back({stats.place().tag, text}); };
  const auto count = static_cast<double>(writes.count);
  if (writes.count >= 20 && static_cast<double>(stats.misaligned_writes()) > 0.1 * count)
    add(percent(static_cast<double>(stats.misaligned_writes()), count) + " of " + std::to_string(writes.count) +
        " writes are not on 4 KiB: " + (aligned ? "" : "put align above, or ") + "set the client's block size");
  const std::uint64_t known = writes.bytes - stats.unknown();
  if (stats.zeroes() > 1 << 20 && static_cast<double>(stats.zeroes()) > 0.1 * static_cast<double>(known))
    add(percent(static_cast<double>(stats.zeroes()), static_cast<double>(known)) + " of " + std::to_string(known) +
        " bytes written are zeroes: have the client detect zeroes and use zero or trim");
  const OpStats& flushes = of(stats, Op::flush);
  if (flushes.count >= 20 && static_cast<double>(flushes.count) * 4 > count)
    add("there are " + std::to_string(flushes.count) + " flushes for " + std::to_string(writes.count) + " writes, of " +
        duration_text(static_cast<double>(flushes.latency.percentile(0.5))) +
        " each (p50): see whether the client may flush less often");
  if (writes.count >= 100 && flushes.count == 0 && stats.between_flushes().count() == 0)
    add("there are " + std::to_string(writes.count) +
        " writes and no flush: nothing that was written is known to be "
        "durable");
}

void on_sizes(const PlaceStats& stats, std::vector<Advice>& advice) {
  for (const Op op : {Op::read, Op::write}) {
    const OpStats& one = of(stats, op);
    if (one.count < 100) continue;
    const double sequential = static_cast<double>(one.sequential) / static_cast<double>(one.count);
    const double mean = static_cast<double>(one.bytes) / static_cast<double>(one.count);
    if (sequential > 0.5 && mean < 32 * 1024)
      advice.push_back({stats.place().tag, percent(sequential, 1) + " of " + std::to_string(one.count) + " " +
                                               name(op) + "s go on where the last one ended, with " +
                                               std::to_string(static_cast<std::uint64_t>(mean)) +
                                               " bytes each: larger requests would be fewer"});
  }
}

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

// Of requests that are no whole blocks, those in one block wait for each other. The layer where they do is not slow.
std::string on_waiting(const Between::Pair& pair, double share) {
  const std::uint64_t grown = pair.reads.grown_requests + pair.writes.grown_requests + pair.others.grown_requests;
  return percent(share, 1) + " of the time below \"" + pair.upper.tag + "\" is spent above \"" + pair.lower.tag +
         "\", most of it in " + std::to_string(grown) +
         " requests that are no whole blocks below: each has blocks read and written for it, and waits for the others "
         "in its block: set the client's block size, a file system's to 4096";
}

// Names the kind of requests that lost most of the time.
std::string on_slow_layer(const Between::Pair& pair, double upper, double lower) {
  const auto lost = [](const Between::Sums& sums) {
    return sums.upper_time > sums.lower_time ? sums.upper_time - sums.lower_time : 0;
  };
  const char* what = "reads";
  const Between::Sums* most = &pair.reads;
  for (const auto& [name, sums] : {std::pair{"writes", &pair.writes}, std::pair{"other requests", &pair.others}})
    if (lost(*sums) > lost(*most)) std::tie(what, most) = std::pair(name, sums);
  const auto time = static_cast<double>(lost(*most));
  return percent(upper - lower, upper) + " of the time below \"" + pair.upper.tag + "\" (" +
         duration_text(upper - lower) + " of " + duration_text(upper) + ") is spent above \"" + pair.lower.tag +
         "\", " + duration_text(time) + " of it in " + std::to_string(most->upper_requests) + " " + what + ", " +
         duration_text(time / static_cast<double>(std::max<std::uint64_t>(most->upper_requests, 1))) +
         " each: the slow layer is between the two";
}

void on_layers(const std::vector<Between::Pair>& pairs, std::vector<Advice>& advice) {
  for (const Between::Pair& pair : pairs) {
    const auto all = [&pair](std::uint64_t Between::Sums::*what) {
      return static_cast<double>(pair.reads.*what + pair.writes.*what + pair.others.*what);
    };
    const double upper = all(&Between::Sums::upper_time), lower = all(&Between::Sums::lower_time);
    const bool much = upper > 1e6 && upper - lower > 0.5 * upper;
    if (much && all(&Between::Sums::grown_time) > 0.5 * (upper - lower)) {
      advice.push_back({pair.upper.tag, on_waiting(pair, (upper - lower) / upper)});
      continue;
    }
    if (much) advice.push_back({pair.upper.tag, on_slow_layer(pair, upper, lower)});
    if (pair.writes.upper_requests >= 20 && pair.writes.lower_bytes > 2 * pair.writes.upper_bytes)
      advice.push_back({pair.upper.tag, std::to_string(pair.writes.upper_bytes) + " bytes of writes at \"" +
                                            pair.upper.tag + "\" became " + std::to_string(pair.writes.lower_bytes) +
                                            " bytes at \"" + pair.lower.tag + "\": see alignment and sizes above"});
  }
}

bool is_aligned_below(const std::vector<Between::Pair>& pairs, const PlaceName& place) {
  return std::any_of(pairs.begin(), pairs.end(), [&](const Between::Pair& pair) {
    return pair.upper == place && pair.writes.grown_requests * 2 > pair.writes.upper_requests;
  });
}

}  // namespace

std::vector<Advice> Report::advice() const {
  std::vector<Advice> advice;
  on_layers(between_, advice);
  for (const auto& place : places_) {
    const PlaceStats* below = nullptr;
    for (const Between::Pair& pair : between_)
      if (pair.upper == name_of(place->place())) below = by_name_.at(pair.lower);
    on_errors(*place, below, advice);
    on_writes(*place, is_aligned_below(between_, name_of(place->place())), advice);
    on_sizes(*place, advice);
  }
  return advice;
}

}  // namespace ashlar::host::traces
