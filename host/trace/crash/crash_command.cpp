// ashlar trace crash: whether the disk would have been good after a power cut, at each moment when something had to be
// durable.
#include <unistd.h>
#include <CLI/CLI.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "config/text.hpp"
#include "trace/crash/power_cuts.hpp"
#include "trace/interrupt.hpp"
#include "trace/lines.hpp"
#include "trace/output.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

struct Options {
  std::string path, image, check, points = "flush", place, scratch, keep, output;
  Points chosen;
};

void parse_points(Options& options) {
  if (options.points == "flush") return;
  options.chosen.subsets = true;
  if (options.points == "all") return;
  std::uint64_t number = 0;
  const char* const end = options.points.data() + options.points.size();
  const auto [behind, error] = std::from_chars(options.points.data(), end, number);
  if (error != std::errc() || behind != end || number == 0)
    throw UsageError("--points: " + in_quotes(options.points) + " is none of flush, all, or a number of 1 or more");
  options.chosen.fewer = number;
}

// Refuses what could not be made, or would be written over; best before hours of checks.
void check_keep(const std::string& path) {
  std::error_code error;
  if (!path.empty() && std::filesystem::exists(std::filesystem::symlink_status(path, error)))
    throw UsageError("--keep: " + in_quotes(path) + " is there already: name a file that is not");
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!path.empty() && ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0)
    throw UsageError("--keep: no file can be made in " + in_quotes(folder.string()) + ": " + std::strerror(errno));
}

// Refuses a trace that does not have all that was done to the disk.
void check_whole(const Contents& contents) {
  const trace::Completeness& all = contents.completeness;
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  if (contents.without_data != 0)
    throw UsageError("the trace lacks the bytes of " + number(contents.without_data) +
                     " writes: record it with payload = \"data\", and max_size = 0 or a large one");
  if (all.beginning_lost)
    throw UsageError(
        "the beginning of the trace is lost: record it with max_size = 0, or a larger one, and without ring");
  if (all.dropped != 0)
    throw UsageError("the trace lacks " + number(all.dropped) +
                     " requests, which were dropped: record it with when_full = \"wait\"");
  if (all.broken) throw UsageError("the trace is broken, so that requests may be missing");
}

void print_requests(std::ostream& out, const BadState& bad, Lines& lines) {
  if (bad.recent.empty()) return;
  out << "the last requests before the power cut, and what the disk has of them:\n";
  for (const trace::Record& record : bad.recent) {
    const auto fate = bad.fates.find(record.position);
    const char* word = "durable";
    if (record.op == Op::flush || record.result != 0) word = "-";
    else if (fate != bad.fates.end())
      word = fate->second == Fate::lost ? "nothing" : fate->second == Fate::torn ? "a part" : "all";
    out << "  " << word << std::string(9 - std::string_view(word).size(), ' ') << lines.text(record) << "\n";
  }
  out << "durable: it had to be there; all, a part, nothing: it could be lost, and that is there; -: a flush, or what "
         "failed\n";
}

void print_bad(std::ostream& out, const BadState& bad, std::uint64_t states) {
  Lines lines;
  out << "state " << bad.number << " of 0 to " << states - 1 << " is bad: the check " << bad.checked.how;
  if (bad.number == 0) out << " for the image as it was before the first request\n";
  else if (!bad.cause) out << " after a power cut when the trace ends\n";
  else
    out << " after a power cut right " << (bad.answered ? "behind" : "before") << " the answer to\n    "
        << lines.text(*bad.cause) << "\n";
  if (!bad.checked.output.empty()) {
    out << (bad.checked.is_cut ? "the end of what the check printed:\n" : "the check printed:\n");
    for (std::size_t at = 0; at < bad.checked.output.size();) {
      const std::size_t end = std::min(bad.checked.output.find('\n', at), bad.checked.output.size());
      out << "    " << one_line(bad.checked.output.substr(at, end - at)) << "\n";
      at = end + 1;
    }
  }
  print_requests(out, bad, lines);
}

// How to get the disk of that state. The numbers of states are those of `all` also when fewer are checked.
std::string again_text(const BadState& bad, const Points& points) {
  const std::string which =
      points.subsets ? "--points all --seed " + std::to_string(points.seed) + " --from " : std::string("--from ");
  return "to get this disk: the same command with " + which + std::to_string(bad.number) + " --keep FILE\n";
}

// Refuses what would check nothing, or hardly anything.
void check_count(const Options& options, const States& all, std::uint64_t writes, std::ostream& err) {
  const Points& chosen = options.chosen;
  if (chosen.from >= all.count())
    throw UsageError("--from: there is no state " + std::to_string(chosen.from) + ": the trace has states 0 to " +
                     std::to_string(all.count() - 1));
  if (all.moments() == 0) {
    const std::string text = "there is no flush and no FUA in " + std::to_string(writes) +
                             " writes: nobody asked for them, or a layer above swallows them";
    if (!chosen.subsets) throw UsageError(text + "; --points all checks what the end may be like");
    err << "ashlar: trace: crash: " << text << "\n" << std::flush;
  }
  const std::uint64_t left = all.count() - chosen.from;
  if (chosen.fewer && *chosen.fewer > left)
    err << "ashlar: trace: crash: --points " << *chosen.fewer << ": there are only " << left << " states\n"
        << std::flush;
}

int check_states(const Options& options, std::ostream& out, std::ostream& err, OnePlace& requests) {
  const Contents& contents = requests.contents();
  States all(options.chosen);
  {
    trace::Listener nobody;  // all has been told
    OnePlace again(options.path, options.place, nobody);
    History(again, all).run();
  }
  Scratch scratch(options.image, options.scratch);
  if (scratch.size() != contents.size)
    throw UsageError("--image: " + in_quotes(options.image) + " has " + std::to_string(scratch.size()) +
                     " bytes, but the disk of the trace has " + std::to_string(contents.size));
  Progress progress(err, "crash", "states checked");
  check_count(options, all, contents.writes, err);
  PowerCuts cuts(requests, scratch, options.check, options.chosen, all.count(), progress);
  const auto bad = cuts.run();
  progress.clear();
  if (!bad) {
    out << cuts.checked() << " states of the disk at " << all.moments()
        << " flushes and requests with FUA: the check passed for each\n";
    return exit_ok;
  }
  print_bad(out, *bad, all.count());
  if (options.keep.empty()) {
    out << again_text(*bad, options.chosen);
  } else {
    out.flush();  // whatever becomes of the copy
    cuts.keep(*bad, options.keep);
    out << "this disk, as the power cut left it, is in " << in_quotes(options.keep) << "\n";
  }
  return exit_failure;
}

}  // namespace

int crash_command(const Words& words, Streams streams) {
  CLI::App app(
      "Whether the disk would have been good after a power cut: makes it as one could have left it at each "
      "flush and request with FUA, and has a command check it",
      "ashlar trace crash");
  Options options;
  app.add_option("TRACE", options.path, "A trace with payload = \"data\"")->type_name("")->required();
  app.add_option("--image", options.image, "The disk as it was when the trace began; it is only read")
      ->type_name("BASE")
      ->required();
  app.add_option("--check", options.check,
                 "For sh -c: exit code 0 if the disk, of which $image is a copy, is good: 'fsck.ext4 -fn $image'")
      ->type_name("COMMAND")
      ->required();
  app.add_option("--points", options.points,
                 "flush: what had to be there; all: also, three times at each moment and at the end, with some of what "
                 "could have been lost, torn at 512 bytes; N: so many states of these")
      ->type_name("flush|all|N");
  app.add_option("--seed", options.chosen.seed, "Of what is chosen at random; 1")->type_name("N")->check(whole_number);
  app.add_option("--from", options.chosen.from, "The first state to check; 0 is the disk as it was")
      ->type_name("N")
      ->check(whole_number);
  app.add_option("--keep", options.keep,
                 "Copy the first bad disk, as the power cut left it, to this file, which must not be there yet")
      ->type_name("FILE");
  app.add_option("--scratch", options.scratch, "The folder for two copies of the disk; $TMPDIR, or /tmp")
      ->type_name("DIR");
  add_place(app, options.place);
  if (!parse(app, words, streams)) return exit_ok;
  parse_points(options);
  if (options.check.find_first_not_of(" \t\n") == std::string::npos)
    throw UsageError("--check: an empty command finds every disk good");
  check_keep(options.keep);
  if (options.scratch.empty()) options.scratch = std::filesystem::temp_directory_path().string();

  Told told(streams.err);
  OnePlace requests(options.path, options.place, told);
  check_whole(requests.contents());
  requests.tell_missing(streams.err, "crash");
  const Interrupt interrupt;
  Output output("", streams.out);
  const int code = check_states(options, output.stream(), streams.err, requests);
  output.close();
  return code;
}

}  // namespace ashlar::host::traces
