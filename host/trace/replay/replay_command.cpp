// ashlar trace replay: asks a server again what a trace has.
#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <deque>

#include "cli/table.hpp"
#include "config/text.hpp"
#include "trace/interrupt.hpp"
#include "trace/lines.hpp"
#include "trace/output.hpp"
#include "trace/replay/player.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

struct Options {
  std::string path, uri, place, speed;
  bool keep_order = false, verify = false;
  std::uint64_t connections = 0;  // 0: as many as then
};

Pace pace_of(const Options& options) {
  // What is verified depends on the order.
  Pace pace{.speed = 1.0, .keep_order = options.keep_order || options.verify};
  if (options.speed == "max" || (options.speed.empty() && options.keep_order)) {
    pace.speed.reset();
  } else if (!options.speed.empty()) {
    double speed = 0;
    const char* const end = options.speed.data() + options.speed.size();
    const auto [behind, error] = std::from_chars(options.speed.data(), end, speed);
    if (error != std::errc() || behind != end || !(speed >= 0.001 && speed <= 1e6))
      throw UsageError("--speed: " + in_quotes(options.speed) + " is none of max, or a number from 0.001 to 1000000");
    pace.speed = speed;
  }
  return pace;
}

void check_for_verify(const Contents& contents) {
  if (contents.reads == 0)
    throw UsageError("--verify: the trace has no read that went well: nothing would be verified");
  if (contents.without_hashes != 0)
    throw UsageError("--verify: the trace has neither hashes nor bytes of " + std::to_string(contents.without_hashes) +
                     " reads: record it with payload = \"hash\" or \"data\"");
  if (contents.completeness.beginning_lost)
    throw UsageError(
        "--verify: the beginning of the trace is lost: record it with max_size = 0, or a larger one, and without ring");
  if (contents.completeness.dropped != 0)
    throw UsageError("--verify: the trace lacks " + std::to_string(contents.completeness.dropped) +
                     " requests, which were dropped: record it with when_full = \"wait\"");
  if (contents.completeness.broken) throw UsageError("--verify: the trace is broken, so that requests may be missing");
}

std::vector<std::unique_ptr<Connection>> connect(const Options& options, const Contents& contents) {
  constexpr std::uint64_t most_of_itself = 16;
  std::vector<std::unique_ptr<Connection>> all;
  all.push_back(std::make_unique<Connection>(options.uri));
  const Offers& offers = all.front()->offers();
  if (offers.size < contents.end)
    throw UsageError("the server's disk has " + std::to_string(offers.size) +
                     " bytes, but the trace's requests go up to " + std::to_string(contents.end));
  if (options.connections > 1 && !offers.multi_conn && (options.keep_order || options.verify))
    throw UsageError(
        "--connections: the server does not say that several may be used together, so the order cannot be "
        "kept over them: leave that out, or " +
        std::string(options.verify ? "--verify" : "--keep-order"));
  const std::uint64_t wanted = offers.multi_conn ? std::min(contents.connections, most_of_itself) : 1;
  const std::uint64_t number = options.connections != 0 ? options.connections : wanted;
  while (all.size() < number) all.push_back(std::make_unique<Connection>(options.uri));
  return all;
}

void print_table_of(std::ostream& out, const Player& player) {
  const auto time = [](std::uint64_t ns) { return duration_text(static_cast<double>(ns)); };
  std::vector<std::vector<std::string>> rows{
      {"op", "count", "errors then", "now", "p50 then", "now", "p99 then", "now", "max then", "now"}};
  for (std::size_t n = 0; n != player.by_op().size(); ++n) {
    const ThenAndNow& op = player.by_op()[n];
    if (op.now.count() == 0) continue;
    std::vector<std::string> row{name(static_cast<Op>(n)), std::to_string(op.now.count()),
                                 std::to_string(op.errors_then), std::to_string(op.errors_now)};
    for (const double share : {0.5, 0.99, 1.0})
      for (const Histogram* const one : {&op.then, &op.now}) row.push_back(time(one->percentile(share)));
    rows.push_back(std::move(row));
  }
  print_table(out, "", rows);
}

// The requests around one, and the last one before it that changed the disk at `offset`.
void print_around(std::ostream& out, const Options& options, const trace::Record& wanted, std::uint64_t offset) {
  constexpr std::size_t before = 5, after = 3;
  trace::Listener nobody;
  OnePlace requests(options.path, options.place, nobody);
  Lines lines;
  std::deque<std::string> last;
  std::string changed;
  trace::Record record;
  bool found = false;
  for (std::size_t behind = 0; behind != after && requests.next(record);) {
    if (found) ++behind, out << "    " << lines.text(record) << "\n";
    if (found) continue;
    found = record.position == wanted.position && record.sequence == wanted.sequence;
    const std::string& line = lines.text(record);
    if (found) {
      if (!changed.empty()) out << "  changed last by\n    " << changed << "\n";
      out << "  the requests around it:\n";
      for (const std::string& one : last) out << "    " << one << "\n";
      out << "  > " << line << "\n";
      continue;
    }
    last.push_back(line);
    if (last.size() > before) last.pop_front();
    const bool changes = Ops::writing().has(Ops{record.op}) && record.offset <= offset && offset < record.end();
    if (changes) changed = line;
  }
}

int tell(const Options& options, const Player& player, const Judge& judge, std::size_t connections, std::ostream& out,
         std::ostream& err) {
  for (const auto& [what, times] : player.left_out())
    err << "ashlar: trace: replay: " << times << " requests, " << what << "\n";
  out << player.asked() << " requests by " << connections << (connections == 1 ? " connection" : " connections")
      << ": now in " << duration_text(static_cast<double>(player.took())) << ", then in "
      << duration_text(static_cast<double>(player.took_then())) << "\n";
  print_table_of(out, player);
  if (player.late() != 0) out << player.late() << " requests came 1 ms or more later than they should\n";
  if (options.verify)
    out << judge.same() << " reads gave what they had to, " << judge.different()
        << " did not; not verified: " << judge.overlapped() << " that overlapped a write under way, " << judge.unknown()
        << " of bytes that are not known\n";
  if (player.first_failed()) {
    const Again& first = *player.first_failed();
    out << player.failed() << " requests failed that went well then, first with " << result_text(first.error) << ":\n";
    print_around(out, options, first.record, first.record.offset);
  }
  if (const auto& first = judge.first()) {
    out << "the first difference: " << (first->by_hash ? "the block of 4 KiB at" : "byte") << " " << first->offset
        << " of the disk, read by request " << first->number + 1
        << (first->is_own ? ", is not what this replay wrote there\n" : "\n");
    print_around(out, options, first->record, first->offset);
  }
  return player.failed() != 0 || judge.different() != 0 ? exit_failure : exit_ok;
}

}  // namespace

int replay_command(const Words& words, Streams streams) {
  CLI::App app("Asks a server again what a trace has, writes included, and compares the latencies",
               "ashlar trace replay");
  Options options;
  app.add_option("TRACE", options.path, "A trace")->type_name("")->required();
  app.add_option("URI", options.uri, "The server's export: nbd://HOST/NAME, nbd+unix:///NAME?socket=PATH, nbds://…")
      ->type_name("")
      ->required();
  app.add_option("--speed", options.speed,
                 "2: twice as fast as then; max: as fast as possible; 1, or max if the order is kept")
      ->type_name("N|max");
  app.add_flag("--keep-order", options.keep_order,
               "Each request that overlaps an earlier one, and each flush, waits for what it followed then");
  app.add_flag("--verify", options.verify, "What is read has to be what was read then; keeps the order, too");
  app.add_option("--connections", options.connections, "As many as then, up to 16, where the server allows it")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  add_place(app, options.place);
  if (!parse(app, words, streams)) return exit_ok;
  const Pace pace = pace_of(options);

  Told told(streams.err);
  OnePlace requests(options.path, options.place, told);
  if (options.verify) check_for_verify(requests.contents());
  requests.tell_missing(streams.err, "replay");
  const Interrupt interrupt;
  const auto connections = connect(options, requests.contents());
  Progress progress(streams.err, "replay", "requests");
  const OtherBytes other(monotonic_time());
  Judge judge(other);
  Player player(requests, connections, pace, other, options.verify ? &judge : nullptr, progress);
  player.run();
  progress.clear();
  Output output("", streams.out);
  const int code = tell(options, player, judge, connections.size(), output.stream(), streams.err);
  output.close();
  if (options.verify && code == exit_ok && judge.same() == 0)
    throw UsageError("--verify: not one read could be verified: " + std::to_string(judge.overlapped()) +
                     " overlapped a write under way, " + std::to_string(judge.unknown()) +
                     " are of bytes that are not known");
  return requests.contents().completeness.broken ? exit_failure : code;
}

}  // namespace ashlar::host::traces
