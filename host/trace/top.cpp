// ashlar trace top: what happens now, of a trace that is being written.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

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

// Counts what the server has written over before it could be read, which is nothing that is wrong with the file.
class Follower : public Told {
 public:
  using Told::Told;
  void overtaken(std::uint64_t segments, const std::string&) override { missing_ += segments; }
  std::uint64_t take_missing() { return std::exchange(missing_, 0); }

 private:
  std::uint64_t missing_ = 0;
};

// Adds what the file has got since the last time.
void take(trace::FileReader& reader, All& all) {
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
}

using Clock = std::chrono::steady_clock;

// The file at a path: also the next one, when a server begins the file anew, or writes its ring out and begins another.
class Followed {
 public:
  // Throws TraceError.
  Followed(const std::string& path, Follower& told)
      : path_(path), told_(told), reader_(std::make_unique<trace::FileReader>(path, told)) {}

  const trace::FileReader& reader() const { return *reader_; }
  // Requests, of all files.
  std::uint64_t dropped() const { return dropped_ + reader_->completeness().dropped; }

  // Adds what has come since the last time.
  void take(All& all) {
    look_for_next(all);
    traces::take(*reader_, all);
  }

  bool is_being_written() {
    if (reader_->is_being_written()) return true;
    if (reader_->completeness().ended || reader_->is_at_path()) return false;
    // Of a ring that was written out, the next one comes soon.
    constexpr std::chrono::seconds patience{5};
    const auto now = Clock::now();
    if (!moved_) moved_ = now;
    return now - *moved_ < patience;
  }

 private:
  void look_for_next(All& all) {
    const bool moved = !reader_->is_at_path();
    if (!moved && !reader_->is_begun_anew()) return;
    try {
      auto next = std::make_unique<trace::FileReader>(path_, told_);
      if (moved) traces::take(*reader_, all);
      dropped_ += reader_->completeness().dropped;
      reader_ = std::move(next);
      moved_.reset();
    } catch (const trace::TraceError&) {  // it is being made
    }
  }

  const std::string path_;
  Follower& told_;
  std::unique_ptr<trace::FileReader> reader_;
  std::uint64_t dropped_ = 0;               // of the files before this one
  std::optional<Clock::time_point> moved_;  // since when the file has not been at the path, and nobody writes it
};

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
}

// How often a file is looked at: one of small segments has them written over soon.
std::chrono::nanoseconds look_every(const trace::FileReader& reader) {
  constexpr std::uint64_t least = 20, most = 100, bytes_in_a_millisecond = 2048;
  return std::chrono::milliseconds(
      std::clamp(reader.segments().back().segment_bytes / bytes_in_a_millisecond, least, most));
}

// Takes what comes until then. Throws Interrupted when somebody wants an end.
void take_until(Followed& followed, Clock::time_point end, All& all) {
  for (auto now = Clock::now(); now < end; now = Clock::now()) {
    Interrupt::check();
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(end - now, look_every(followed.reader())));
    followed.take(all);
  }
  Interrupt::check();
}

// Prints until somebody wants an end, nobody writes the file any more, or so many times; 0: for ever.
void print_again_and_again(Followed& followed, Follower& told, std::ostream& out, std::chrono::nanoseconds interval,
                           std::uint64_t times) {
  const bool terminal = ::isatty(STDOUT_FILENO) != 0;
  bool is_written = true;
  for (std::uint64_t n = 1; is_written; ++n) {
    All all;
    const std::uint64_t dropped = followed.dropped();
    const auto begun = Clock::now();
    take_until(followed, begun + interval, all);
    is_written = followed.is_being_written();
    followed.take(all);
    if (terminal) out << "\033[H\033[2J";
    print(out, all, std::chrono::duration<double>(Clock::now() - begun).count());
    if (const std::uint64_t missing = told.take_missing(); missing != 0)
      out << missing
          << (missing == 1 ? " segment was written over before it" : " segments were written over before they")
          << " could be read: there were more requests than the table has; a larger max_size helps\n";
    if (const std::uint64_t more = followed.dropped() - dropped; more != 0)
      out << more << " requests were dropped and are not in the table\n";
    out << "\n" << std::flush;
    if (n == times || !out) return;
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

  Follower told(streams.err);
  told.prints_to("");
  Followed followed(path, told);
  const bool was_written = followed.is_being_written();
  All before;
  followed.take(before);
  told.take_missing();
  Output output("", streams.out);
  try {
    if (was_written) print_again_and_again(followed, told, output.stream(), std::chrono::nanoseconds(*interval), times);
    output.close();
  } catch (const Interrupted&) {  // which is how it ends
  }
  // A server that nobody has used since it was started has the file and leaves what ended there before.
  if (!followed.reader().is_being_written())
    streams.err << (followed.reader().completeness().ended
                        ? "ashlar: trace: top: the trace has ended: nobody writes it any more\n"
                        : "ashlar: trace: top: nobody writes the trace any more, although it has no end: its server "
                          "was killed\n")
                << std::flush;
  return told.any() ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
