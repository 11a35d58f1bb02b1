// ashlar trace prefetch: what was read first, in order.
#include <CLI/CLI.hpp>
#include <bitset>
#include <cstdint>
#include <unordered_map>

#include "format/trace_reader.hpp"
#include "trace/output.hpp"
#include "trace/selection.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::uint64_t block = 4096;

// Blocks by number; 512 bytes for each 16 MiB of the disk that is touched.
class Blocks {
 public:
  // False: it was there before.
  bool add(std::uint64_t number) {
    auto bit = chunks_[number / bits][number % bits];
    const bool added = !bit;
    bit = true;
    return added;
  }

 private:
  static constexpr std::uint64_t bits = 4096;
  std::unordered_map<std::uint64_t, std::bitset<bits>> chunks_;
};

// Puts what follows each other together.
class List {
 public:
  explicit List(std::ostream& out) : out_(out) { out_ << "# offset length\n"; }
  void add(std::uint64_t number) {
    if (length_ != 0 && number * block == offset_ + length_) {
      length_ += block;
      return;
    }
    end();
    offset_ = number * block;
    length_ = block;
  }
  void end() {
    if (length_ != 0) out_ << offset_ << " " << length_ << "\n";
    length_ = 0;
  }

 private:
  std::ostream& out_;
  std::uint64_t offset_ = 0, length_ = 0;
};

}  // namespace

int prefetch_command(const Words& words, Streams streams) {
  CLI::App app("What was read first, in order, in whole blocks of 4 KiB: \"OFFSET LENGTH\" in bytes, a line each",
               "ashlar trace prefetch");
  std::string path, output_path, place;
  app.add_option("TRACE", path, "A trace")->type_name("")->required();
  app.add_option("--place", place, "As this layer saw it")->type_name("TAG");
  add_output(app, output_path);
  if (!parse(app, words, streams)) return exit_ok;

  Told told(streams.err);
  told.prints_to(output_path);
  trace::TraceReader reader({path}, told);
  Output output(output_path, streams.out, {path});
  Blocks known;  // read before, or written, which has the bytes in a cache, too
  List list(output.stream());
  trace::Record record;
  for (bool first = true; reader.next(record); first = false) {
    if (first && reader.completeness().beginning_lost)
      throw UsageError("the beginning of the trace is lost: max_size was too small, or it is of a ring");
    const bool counts = record.result == 0 && (record.op == Op::read || record.op == Op::write);
    if (!counts || record.length == 0 || (!place.empty() && record.place->tag != place)) continue;
    for (std::uint64_t number = record.offset / block; number <= (record.end() - 1) / block; ++number)
      if (known.add(number) && record.op == Op::read) list.add(number);
  }
  if (!place.empty()) need_places(reader, {place});
  list.end();
  output.close();
  return reader.completeness().broken ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
