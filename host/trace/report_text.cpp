#include <algorithm>
#include <cstdio>

#include "cli/table.hpp"
#include "config/text.hpp"
#include "trace/lines.hpp"
#include "trace/report.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

using Row = std::vector<std::string>;

std::string bytes_text(double bytes) {
  constexpr const char* units[] = {"", " KiB", " MiB", " GiB", " TiB", " PiB"};
  std::size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit) bytes /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 || bytes >= 100 ? "%.0f" : "%.1f", bytes);
  return text + std::string(units[unit]);
}
std::string bytes_text(std::uint64_t bytes) { return bytes_text(static_cast<double>(bytes)); }
std::string time_text(std::uint64_t ns) { return duration_text(static_cast<double>(ns)); }
std::string percent(std::uint64_t part, std::uint64_t whole) {
  char text[16];
  std::snprintf(text, sizeof text, "%.1f %%",
                whole != 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0);
  return text;
}

template <class Visit>
void for_each_op(const PlaceStats& stats, Visit&& visit) {
  for (std::size_t i = 0; i != PlaceStats::ops; ++i)
    if (stats.by_op()[i].count != 0) visit(static_cast<Op>(i), stats.by_op()[i]);
}

void print_ops(std::ostream& out, const PlaceStats& stats) {
  std::vector<Row> rows{
      {"op", "count", "bytes", "errors", "p50", "p90", "p99", "p99.9", "max", "reply p50", "sequential"}};
  for_each_op(stats, [&](Op op, const OpStats& s) {
    Row row{name(op), std::to_string(s.count), bytes_text(s.bytes), std::to_string(s.errors)};
    for (const double share : {0.5, 0.9, 0.99, 0.999}) row.push_back(time_text(s.latency.percentile(share)));
    row.push_back(time_text(s.latency.most()));
    row.push_back(s.reply.count() != 0 ? time_text(s.reply.percentile(0.5)) : "-");
    row.push_back(op == Op::read || op == Op::write ? percent(s.sequential, s.count) : "-");
    rows.push_back(row);
  });
  print_table(out, "  ", rows);
  for_each_op(stats, [&](Op op, const OpStats& s) {
    for (const auto& [number, count] : s.by_errno)
      out << "  " << name(op) << " failed with " << result_text(number) << ": " << count << "\n";
  });
}

// "4K: 17 (12.0 %)  8K: …"
template <class Counts>
std::string powers_text(const Counts& counts, std::uint64_t all) {
  std::string text;
  for (std::size_t power = 0; power < counts.size() && power < 64; ++power)
    if (counts[power] != 0)
      text += (text.empty() ? "" : ", ") + bytes_text(std::uint64_t{1} << power) + ": " + percent(counts[power], all);
  return text;
}

void print_shape(std::ostream& out, const PlaceStats& stats) {
  for_each_op(stats, [&](Op op, const OpStats& s) {
    if (s.bytes == 0) return;
    out << "  " << name(op) << " sizes up to " << powers_text(s.sizes, s.count) << "\n";
    out << "  " << name(op) << " on multiples of " << powers_text(s.alignments, s.count) << "\n";
  });
}

void print_use(std::ostream& out, const PlaceStats& stats) {
  const Touched& touched = stats.touched();
  const char* about = touched.is_estimate() ? " (estimated)" : "";
  out << "  working set " << bytes_text(touched.working_set()) << about << ", written over again "
      << bytes_text(touched.overwritten()) << about;
  if (touched.distance().count() != 0)
    out << ", after " << bytes_text(touched.distance().percentile(0.5)) << " of other writes (p50)";
  out << "\n";
  if (stats.place().payload != trace::PayloadKind::none)
    out << "  zeroes written as data: " << bytes_text(stats.zeroes()) << "\n";
  if (stats.dirty().count() != 0)
    out << "  written from flush to flush: p50 " << bytes_text(stats.dirty().percentile(0.5)) << ", most "
        << bytes_text(stats.dirty().most()) << "\n";
  if (stats.between_flushes().count() != 0)
    out << "  from one flush or FUA to the next: p50 " << time_text(stats.between_flushes().percentile(0.5))
        << ", most " << time_text(stats.between_flushes().most()) << "\n";
  if (stats.repeated() != 0)
    out << "  tried without waiting, and asked again: " << percent(stats.repeated(), stats.requests()) << "\n";
}

void print_hot(std::ostream& out, const PlaceStats& stats) {
  std::vector<std::size_t> order(stats.by_range().size());
  for (std::size_t i = 0; i != order.size(); ++i) order[i] = i;
  const auto sum = [&stats](std::size_t i) { return stats.by_range()[i][0] + stats.by_range()[i][1]; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sum(a) > sum(b); });
  std::vector<Row> rows{{"hot range", "read", "written"}};
  for (std::size_t i = 0; i < order.size() && i < 5 && sum(order[i]) != 0; ++i)
    rows.push_back({bytes_text(order[i] * stats.range_bytes()) + " +" + bytes_text(stats.range_bytes()),
                    bytes_text(stats.by_range()[order[i]][0]), bytes_text(stats.by_range()[order[i]][1])});
  if (rows.size() > 1) print_table(out, "  ", rows);
}

// How many requests were under way, in up to ten parts of the time.
void print_depth(std::ostream& out, const Timeline& timeline) {
  const auto& slices = timeline.slices();
  const std::size_t parts = std::min<std::size_t>(slices.size(), 10);
  if (parts < 2) return;
  out << "  depth over time";
  for (std::size_t part = 0; part != parts; ++part) {
    const std::size_t from = part * slices.size() / parts, to = (part + 1) * slices.size() / parts;
    double busy = 0;
    std::uint64_t most = 0;
    for (std::size_t i = from; i != to; ++i) {
      busy += slices[i].busy;
      most = std::max(most, timeline.most_depth(slices[i]));
    }
    char text[64];
    std::snprintf(text, sizeof text, "%s%.2f (%llu)", part == 0 ? " " : ", ",
                  busy / static_cast<double>(timeline.width()) / static_cast<double>(to - from),
                  static_cast<unsigned long long>(most));
    out << text;
  }
  out << ": mean (most)\n";
}

void print_time(std::ostream& out, const PlaceStats& stats) {
  const Timeline& timeline = stats.timeline();
  if (timeline.slices().empty()) return;
  double most = 0, all = 0;
  for (const auto& slice : timeline.slices()) {
    most = std::max(most, slice.busy / static_cast<double>(timeline.width()));
    all += slice.busy;
  }
  const double time = static_cast<double>(timeline.width()) * static_cast<double>(timeline.slices().size());
  char text[64];
  std::snprintf(text, sizeof text, "%.2f, in the busiest %s %.2f", all / time, "part", most);
  out << "  from " << calendar_text(timeline.begin()) << " for " << duration_text(time) << "; depth " << text << "\n";
  print_depth(out, timeline);
}

// "write 8192+4096 1.2 ms, flush 3 ms EIO"
std::string neighbours_text(const std::vector<trace::Record>& records) {
  std::string text;
  for (const trace::Record& r : records) {
    text += (text.empty() ? "" : ", ") + std::string(name(r.op));
    if (r.length != 0) text += " " + std::to_string(r.offset) + "+" + std::to_string(r.length);
    text += " " + time_text(r.done > r.start ? r.done - r.start : 0);
    if (r.result != 0) text += " " + result_text(r.result);
  }
  return text;
}

// Each with what came before and after it.
void print_slowest(std::ostream& out, const PlaceStats& stats, Lines& lines) {
  if (stats.slowest().empty()) return;
  out << "  the slowest\n";
  for (const Slow& slow : stats.slowest()) {
    out << "    > " << lines.text(slow.record) << "\n";
    if (!slow.before.empty()) out << "      after " << neighbours_text(slow.before) << "\n";
    if (!slow.after.empty()) out << "      before " << neighbours_text(slow.after) << "\n";
  }
}

void print_between(std::ostream& out, const Report& report) {
  if (report.between().empty()) return;
  std::vector<Row> rows{{"between", "", "requests", "bytes", "spared", "time in between", "time below"}};
  for (const Between::Pair& pair : report.between()) {
    const auto add = [&](const char* what, const Between::Sums& s) {
      if (s.upper_requests == 0) return;
      char requests[32], bytes[32];
      const auto ratio = [](std::uint64_t lower, std::uint64_t upper) {
        return upper != 0 ? static_cast<double>(lower) / static_cast<double>(upper) : 0;
      };
      std::snprintf(requests, sizeof requests, "x %.2f", ratio(s.lower_requests, s.upper_requests));
      std::snprintf(bytes, sizeof bytes, "x %.2f", ratio(s.lower_bytes, s.upper_bytes));
      rows.push_back({one_line(pair.upper.exported + " " + pair.upper.tag + " > " + pair.lower.tag), what, requests,
                      bytes, percent(s.spared, s.upper_requests),
                      time_text(s.upper_time > s.lower_time ? s.upper_time - s.lower_time : 0),
                      time_text(s.lower_time)});
    };
    add("read", pair.reads);
    add("write", pair.writes);
    add("other", pair.others);
  }
  print_table(out, "", rows);
  out << "\n";
}

}  // namespace

void print(std::ostream& out, const Report& report) {
  const trace::Completeness& whole = report.completeness();
  out << whole.records << " requests, " << whole.dropped << " dropped";
  if (whole.left_out != 0) out << ", " << whole.left_out << " without their bytes";
  if (whole.beginning_lost) out << "; the beginning is lost";
  if (whole.broken) out << "; a part is broken";
  if (!whole.ended) out << "; there is no end: the server still runs, or was killed";
  out << "\n\n";
  const auto advice = report.advice();
  for (const Advice& one : advice) out << "* " << one_line(one.place + ": " + one.text) << "\n";
  if (!advice.empty()) out << "\n";
  print_between(out, report);
  Lines lines;
  for (const auto& place : report.places()) {
    out << one_line("export \"" + place->place().exported + "\", place \"" + place->place().tag + "\"") << ", "
        << bytes_text(place->place().size) << "\n";
    if (place->requests() == 0) {
      out << "  no request came here\n\n";
      continue;
    }
    print_time(out, *place);
    print_ops(out, *place);
    print_shape(out, *place);
    print_use(out, *place);
    print_hot(out, *place);
    print_slowest(out, *place, lines);
    out << "\n";
  }
}

}  // namespace ashlar::host::traces
