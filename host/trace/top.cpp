// ashlar trace top: what happens now, of a trace that is being written.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "cli/table.hpp"
#include "config/text.hpp"
#include "format/file_reader.hpp"
#include "trace/between.hpp"
#include "trace/histogram.hpp"
#include "trace/output.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

struct Recent {
  std::uint64_t count = 0, bytes = 0, errors = 0;
  double busy = 0;  // nanoseconds that requests were under way
  Histogram latency;
};
using All = std::map<std::pair<PlaceName, Op>, Recent>;

// What the file has got since the last time.
All take(trace::FileReader& reader) {
  All all;
  trace::Record record;
  while (reader.next(record)) {
    if (record.op > Op::extents) continue;
    Recent& one = all[{name_of(*record.place), record.op}];
    const std::uint64_t ns = record.done > record.start ? record.done - record.start : 0;
    ++one.count;
    one.bytes += record.length;
    one.errors += record.result != 0 ? 1 : 0;
    one.busy += static_cast<double>(ns);
    one.latency.add(ns);
  }
  return all;
}

void print(std::ostream& out, const All& all, double seconds) {
  std::vector<std::vector<std::string>> rows{
      {"export", "place", "op", "per second", "MiB/s", "errors", "depth", "p50", "p99", "max"}};
  const auto number = [](double value, const char* format) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return std::string(text);
  };
  for (const auto& [what, one] : all)
    rows.push_back({one_line(what.first.exported), one_line(what.first.tag), name(what.second),
                    number(static_cast<double>(one.count) / seconds, "%.0f"),
                    number(static_cast<double>(one.bytes) / seconds / (1 << 20), "%.1f"), std::to_string(one.errors),
                    number(one.busy / seconds / 1e9, "%.2f"),
                    duration_text(static_cast<double>(one.latency.percentile(0.5))),
                    duration_text(static_cast<double>(one.latency.percentile(0.99))),
                    duration_text(static_cast<double>(one.latency.most()))});
  print_table(out, "", rows);
  out << "\n" << std::flush;
}

// Waits so long, or until somebody wants an end: then it throws Interrupted.
void wait_for(std::chrono::nanoseconds time) {
  constexpr std::chrono::milliseconds look_every{100};
  const auto end = std::chrono::steady_clock::now() + time;
  for (auto left = time; left.count() > 0; left = end - std::chrono::steady_clock::now()) {
    Interrupt::check();
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, look_every));
  }
  Interrupt::check();
}

// Prints until somebody wants an end, or so many times; 0: for ever.
void print_again_and_again(trace::FileReader& reader, std::ostream& out, std::chrono::nanoseconds interval,
                           std::uint64_t times) {
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  for (std::uint64_t n = 1;; ++n) {
    wait_for(interval);
    if (terminal) out << "\033[H\033[2J";
    print(out, take(reader), std::chrono::duration<double>(interval).count());
    if (n == times || !out || reader.completeness().ended) return;
  }
}

}  // namespace

int top_command(const Words& words, Streams streams) {
  CLI::App app("What happens now, of a trace that is being written; Ctrl-C ends it", "ashlar trace top");
  std::string path, interval_text = "1s";
  std::uint64_t times = 0;
  app.add_option("TRACE", path, "The trace of a server that runs")->type_name("")->required();
  app.add_option("--interval", interval_text, "Tell so often: 1s")->type_name("TIME");
  app.add_option("--times", times, "Tell so many times, and end; 0: until Ctrl-C")->type_name("N")->check(whole_number);
  if (!parse(app, words, streams)) return exit_ok;
  const auto interval = parse_duration(interval_text);
  if (!interval || *interval < 1'000'000)
    throw UsageError("--interval: " + in_quotes(interval_text) + " is no time of 1ms or more; write 500ms or 2s");

  Told told(streams.err);
  told.prints_to("");
  trace::FileReader reader(path, told);
  take(reader);  // what was before
  Output output("", streams.out);
  try {
    if (!reader.completeness().ended)
      print_again_and_again(reader, output.stream(), std::chrono::nanoseconds(*interval), times);
    output.close();
  } catch (const Interrupted&) {  // which is how it ends
  }
  if (reader.completeness().ended)
    streams.err << "ashlar: trace: top: the trace has ended: nobody writes it any more\n" << std::flush;
  return exit_ok;
}

}  // namespace ashlar::host::traces
