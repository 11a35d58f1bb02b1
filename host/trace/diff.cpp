// ashlar trace diff: what became slower or faster from one trace to another, and how surely.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <cmath>
#include <cstdio>
#include <map>
#include <numeric>
#include <set>

#include "cli/json.hpp"
#include "cli/table.hpp"
#include "config/text.hpp"
#include "format/trace_reader.hpp"
#include "trace/between.hpp"
#include "trace/histogram.hpp"
#include "trace/output.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

// The latencies of an op, also in parts that follow each other. Requests that follow each other are alike, so it is
// parts that are compared and not requests: else a short disturbance would look like a certain difference.
class Latencies {
 public:
  void add(std::uint64_t ns) {
    all_.add(ns);
    if (parts_.empty() || parts_.back().count() == part_) next_part();
    parts_.back().add(ns);
  }
  const Histogram& all() const { return all_; }
  // The median of each whole part.
  std::vector<double> medians() const {
    return of_each([](const Histogram& part) { return static_cast<double>(part.percentile(0.5)); });
  }
  // And the mean, which tells of few that took much longer.
  std::vector<double> means() const {
    return of_each([](const Histogram& part) { return part.mean(); });
  }

 private:
  static constexpr std::size_t most_parts = 64;

  template <class What>
  std::vector<double> of_each(const What& what) const {
    std::vector<double> values;
    for (const Histogram& part : parts_)
      if (part.count() * 2 >= part_) values.push_back(what(part));
    return values;
  }

  void next_part() {
    if (parts_.size() == most_parts) {
      for (std::size_t i = 0; i != most_parts; i += 2) {
        parts_[i].add(parts_[i + 1]);
        if (i != 0) parts_[i / 2] = std::move(parts_[i]);
      }
      parts_.resize(most_parts / 2);
      part_ *= 2;
    }
    parts_.emplace_back();
  }

  Histogram all_;
  std::vector<Histogram> parts_;
  std::uint64_t part_ = 8;  // requests in each
};

struct Name {
  PlaceName place;
  Op op;
  friend auto operator<=>(const Name&, const Name&) = default;
};
struct All {
  std::map<Name, Latencies> ops;
  std::set<PlaceName> places;
  std::set<std::uint64_t> runs;
  trace::Completeness completeness;
};

All read_all(const std::string& path, Told& told, bool& broken) {
  trace::TraceReader reader({path}, told);
  All all;
  trace::Record record;
  const trace::Place* last = nullptr;
  while (reader.next(record)) {
    if (record.op > Op::extents) continue;
    all.ops[{name_of(*record.place), record.op}].add(record.done > record.start ? record.done - record.start : 0);
    if (last == record.place && all.runs.count(record.run) != 0) continue;
    last = record.place;
    all.places.insert(name_of(*record.place));
    all.runs.insert(record.run);
  }
  all.completeness = reader.completeness();
  broken |= all.completeness.broken;
  if (all.ops.empty()) throw UsageError(in_quotes(path) + " has no request");
  return all;
}

std::string names_text(const std::set<PlaceName>& places) {
  std::string text;
  for (const PlaceName& one : places)
    text += (text.empty() ? "" : ", ") + in_quotes(one.tag) + " of export " + in_quotes(one.exported);
  return text;
}

// Nothing of one can be compared with something of the other.
[[noreturn]] void refuse(const std::string& first_path, const All& first, const std::string& second_path,
                         const All& second) {
  std::string text = in_quotes(first_path) + " is of " + names_text(first.places) + ", and " + in_quotes(second_path) +
                     " of " + names_text(second.places);
  if (first.places != second.places) {
    text += ": two runs of one place are compared";
    const bool together = std::any_of(first.runs.begin(), first.runs.end(),
                                      [&](std::uint64_t run) { return second.runs.count(run) != 0; });
    text += together ? "; these are of one run, and ashlar trace report tells what the layers between them did"
                     : "; give both layers the same tag";
  } else {
    text += ", but they have no op in common";
  }
  throw UsageError(text);
}

// Of what is in one trace alone.
void tell_alone(const std::string& path, const All& all, const All& other, std::ostream& err) {
  for (const auto& [what, latencies] : all.ops)
    if (other.ops.find(what) == other.ops.end())
      err << "ashlar: trace: diff: only in " << in_quotes(path) << ": " << latencies.all().count() << " x "
          << name(what.op) << " at " << in_quotes(what.place.tag) << " of export " << in_quotes(what.place.exported)
          << "\n";
  err << std::flush;
}

constexpr std::size_t fewest_parts = 4;

// How alike parts are that follow each other, from 0 (as by chance) to 1: the correlation of their ranks with those of
// the next ones.
double likeness(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  std::vector<double> ranks;
  for (const double x : values) {
    double rank = 0;
    for (const double other : values) rank += other < x ? 1 : other == x ? 0.5 : 0;
    ranks.push_back(rank - n / 2);
  }
  double all = 0, next = 0;
  for (std::size_t i = 0; i != ranks.size(); ++i) {
    all += ranks[i] * ranks[i];
    if (i + 1 != ranks.size()) next += ranks[i] * ranks[i + 1];
  }
  const double found = all > 0 ? next / all : 0;
  return found > 2 / std::sqrt(n) ? std::min(found, 1.0) : 0;
}

// How probable so great a difference between the two would be by chance (Mann and Whitney's test, both ways); 1: there
// are too few to tell. Parts that are like the next ones tell less than others: for as little as a quarter of them.
double chance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() < fewest_parts || b.size() < fewest_parts) return 1;
  double wins = 0;
  for (const double x : a)
    for (const double y : b) wins += y > x ? 1 : y == x ? 0.5 : 0;
  const double n = static_cast<double>(a.size()), m = static_cast<double>(b.size());
  const double z = std::abs(wins - n * m / 2) / std::sqrt(n * m * (n + m + 1) / 12);
  const double alike = std::max(likeness(a), likeness(b));
  return std::erfc(z * std::sqrt(std::max((1 - alike) / (1 + alike), 0.25)) / std::sqrt(2.0));
}

struct Difference {
  Name name;
  std::uint64_t count[2] = {};
  std::uint64_t p50[2] = {}, p99[2] = {}, most[2] = {};
  double mean[2] = {};
  double change = 0;  // of p50: 0.1: the second is 10 % slower
  double chance = 1;
  double mean_change = 0, mean_chance = 1;
  bool found = false;
  bool found_in_mean = false;  // and not in p50
  const char* verdict = "";
};

// Judges by p50, and where that is the same by the mean, of which it wants to be surer, as it is the second question.
void judge(Difference& d, bool few) {
  constexpr double much = 0.05, sure = 0.01, surer = 0.001;
  const bool in_p50 = d.chance < sure && std::abs(d.change) >= much;
  d.found_in_mean = !in_p50 && d.mean_chance < surer && std::abs(d.mean_change) >= much;
  d.found = !few && (in_p50 || d.found_in_mean);
  if (few) d.verdict = "too few";
  else if (!d.found) d.verdict = "the same";
  else d.verdict = (in_p50 ? d.change : d.mean_change) > 0 ? "slower" : "faster";
}

Difference compare(const Name& name, const Latencies& a, const Latencies& b) {
  Difference d{.name = name};
  const Latencies* const both[] = {&a, &b};
  for (int i = 0; i != 2; ++i) {
    d.count[i] = both[i]->all().count();
    d.p50[i] = both[i]->all().percentile(0.5);
    d.p99[i] = both[i]->all().percentile(0.99);
    d.most[i] = both[i]->all().most();
    d.mean[i] = both[i]->all().mean();
  }
  const auto change = [](double from, double to) { return from != 0 ? to / from - 1 : 0; };
  const auto first = a.medians(), second = b.medians();
  d.change = change(static_cast<double>(d.p50[0]), static_cast<double>(d.p50[1]));
  d.chance = chance(first, second);
  d.mean_change = change(d.mean[0], d.mean[1]);
  d.mean_chance = chance(a.means(), b.means());
  judge(d, first.size() < fewest_parts || second.size() < fewest_parts);
  return d;
}

void print(std::ostream& out, const std::vector<Difference>& all) {
  std::vector<std::vector<std::string>> rows{
      {"export", "place", "op", "count", "", "p50", "", "p99", "", "mean", "", "change", "by chance", ""}};
  for (const Difference& d : all) {
    char change[32], by_chance[32];
    const double sureness = d.found_in_mean ? d.mean_chance : d.chance;
    std::snprintf(change, sizeof change, "%+.1f %%", 100 * (d.found_in_mean ? d.mean_change : d.change));
    std::snprintf(by_chance, sizeof by_chance, sureness < 0.0001 ? "< 0.01 %%" : "%.2f %%", 100 * sureness);
    std::vector<std::string> row{one_line(d.name.place.exported), one_line(d.name.place.tag), name(d.name.op)};
    for (const auto n : d.count) row.push_back(std::to_string(n));
    for (const auto ns : d.p50) row.push_back(duration_text(static_cast<double>(ns)));
    for (const auto ns : d.p99) row.push_back(duration_text(static_cast<double>(ns)));
    for (const auto ns : d.mean) row.push_back(duration_text(ns));
    row.insert(row.end(),
               {change, by_chance, d.verdict + std::string(d.found && d.found_in_mean ? " in the mean" : "")});
    rows.push_back(row);
  }
  print_table(out, "", rows);
}

json::array to_json(const std::vector<Difference>& all) {
  json::array list;
  for (const Difference& d : all)
    list.push_back(json::object{{"export", json_text(d.name.place.exported)},
                                {"place", json_text(d.name.place.tag)},
                                {"op", name(d.name.op)},
                                {"count", {d.count[0], d.count[1]}},
                                {"p50_ns", {d.p50[0], d.p50[1]}},
                                {"p99_ns", {d.p99[0], d.p99[1]}},
                                {"max_ns", {d.most[0], d.most[1]}},
                                {"mean_ns", {d.mean[0], d.mean[1]}},
                                {"mean_change", d.mean_change},
                                {"mean_chance", d.mean_chance},
                                {"change", d.change},
                                {"chance", d.chance},
                                {"verdict", d.verdict}});
  return list;
}

}  // namespace

int diff_command(const Words& words, Streams streams) {
  CLI::App app("What became slower from one trace to another, and how surely", "ashlar trace diff");
  std::string first_path, second_path, output_path;
  bool as_json = false;
  app.add_option("A", first_path, "The first trace")->type_name("")->required();
  app.add_option("B", second_path, "The second one")->type_name("")->required();
  app.add_flag("--json", as_json, "Print JSON, for programs");
  add_output(app, output_path);
  if (!parse(app, words, streams)) return exit_ok;

  Told told(streams.err);
  bool broken = false;
  const All first = read_all(first_path, told, broken), second = read_all(second_path, told, broken);
  told.clear();
  std::vector<Difference> all;
  for (const auto& [name, latencies] : first.ops)
    if (const auto other = second.ops.find(name); other != second.ops.end())
      all.push_back(compare(name, latencies, other->second));
  if (all.empty()) refuse(first_path, first, second_path, second);
  tell_dropped(streams.err, "diff: " + in_quotes(first_path), first.completeness);
  tell_dropped(streams.err, "diff: " + in_quotes(second_path), second.completeness);
  tell_alone(first_path, first, second, streams.err);
  tell_alone(second_path, second, first, streams.err);
  Output output(output_path, streams.out, {first_path, second_path});
  if (as_json) print_json(output.stream(), to_json(all));
  else print(output.stream(), all);
  output.close();
  const bool found = std::any_of(all.begin(), all.end(), [](const Difference& d) { return d.found; });
  return found || broken ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
