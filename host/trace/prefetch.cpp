// ashlar trace prefetch: what was read first, in order.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "format/trace_reader.hpp"
#include "trace/output.hpp"
#include "trace/selection.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::uint64_t block = 4096;

// Blocks by number; 16 bytes for each 256 KiB of the disk of which there is one, and as much again that is free.
class Blocks {
 public:
  // False: it was there before.
  bool add(std::uint64_t number) {
    Part& part = part_of(parts_, number / bits);
    const std::uint64_t bit = std::uint64_t{1} << number % bits;
    if ((part.blocks & bit) != 0) return false;
    if (part.blocks == 0 && ++used_ * 4 > parts_.size() * 3) {
      grow();
      part_of(parts_, number / bits) = {number / bits, bit};
      return true;
    }
    part.number = number / bits;
    part.blocks |= bit;
    return true;
  }

 private:
  static constexpr std::uint64_t bits = 64;
  struct Part {
    std::uint64_t number = 0;
    std::uint64_t blocks = 0;  // a bit for each; 0: nobody is here
  };
  using Parts = std::vector<Part>;  // a power of two; one that is taken has the next one that is free

  // Where the part is, or would be.
  static Part& part_of(Parts& parts, std::uint64_t number) {
    const std::size_t last = parts.size() - 1;
    const std::uint64_t hash = number * 0x9e3779b97f4a7c15;
    std::size_t at = static_cast<std::size_t>(hash ^ hash >> 32) & last;
    while (parts[at].blocks != 0 && parts[at].number != number) at = (at + 1) & last;
    return parts[at];
  }
  void grow() {
    Parts larger(parts_.size() * 2);
    for (const Part& part : parts_)
      if (part.blocks != 0) part_of(larger, part.number) = part;
    parts_ = std::move(larger);
  }

  Parts parts_ = Parts(1024);
  std::size_t used_ = 0;
};

// Whether a write has all bytes of the block that the disk has: of what is written in part, the rest is still needed.
bool is_whole(const trace::Record& write, std::uint64_t number) {
  const std::uint64_t begin = number * block, size = write.place->size;
  const std::uint64_t end = begin < size ? std::min(begin + block, size) : begin + block;
  return write.offset <= begin && end <= write.end();
}

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
  Blocks known;  // read before, or written as a whole, which has the bytes in a cache, too
  List list(output.stream());
  trace::Record record;
  for (bool first = true; reader.next(record); first = false) {
    if (first && reader.completeness().beginning_lost)
      throw UsageError("the beginning of the trace is lost: max_size was too small, or it is of a ring");
    const bool counts = record.result == 0 && (record.op == Op::read || record.op == Op::write);
    if (!counts || record.length == 0 || (!place.empty() && record.place->tag != place)) continue;
    for (std::uint64_t number = record.offset / block; number <= (record.end() - 1) / block; ++number) {
      if (record.op == Op::write && !is_whole(record, number)) continue;
      if (known.add(number) && record.op == Op::read) list.add(number);
    }
  }
  if (!place.empty()) need_places(reader, {place});
  list.end();
  output.close();
  told.clear();
  tell_dropped(streams.err, "prefetch", reader.completeness());
  return reader.completeness().broken ? exit_failure : exit_ok;
}

}  // namespace ashlar::host::traces
