// OnePlace: the records of one layer's place in a trace, for commands that do again what one disk was asked.
#pragma once
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "format/trace_reader.hpp"
#include "trace/between.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

// What is in a trace, found by reading it once.
struct Contents {
  PlaceName place;
  std::uint64_t requests = 0;        // of the place
  std::uint64_t reads = 0;           // of the place: that went well
  std::uint64_t writes = 0;          // of the place: that went well
  std::uint64_t connections = 0;     // of the place
  std::uint64_t size = 0;            // bytes: of the disk, the largest that there was
  std::uint64_t end = 0;             // bytes: where the last request ends that went well
  std::uint64_t without_data = 0;    // writes that went well and whose bytes are not in the trace
  std::uint64_t without_hashes = 0;  // reads that went well and of which there are neither hashes nor bytes
  trace::Completeness completeness;
};

class OnePlace {
 public:
  // `tag`: of the place; empty: the trace has to have one only. Reads the trace once. Throws UsageError when there is
  // none, or more than one, and trace::TraceError. `listener` has to live as long as this.
  OnePlace(const std::string& path, const std::string& tag, trace::Listener& listener);

  const Contents& contents() const { return contents_; }
  // Says on `err`, in the name of the command, when requests have no record, or a server that wrote it was killed.
  void tell_missing(std::ostream& err, const char* command) const;
  const std::string& path() const { return path_; }

  // The place's next record, in the order in which the requests came; false: that was the last one. Throws
  // trace::TraceError, also when a server has begun the file anew meanwhile.
  bool next(trace::Record& record);
  // As TraceReader::payload().
  void payload(const trace::Record& record, std::vector<std::byte>& into) { reader_.payload(record, into); }

 private:
  void refuse_other(bool is_other) const;

  const std::string path_;
  trace::FileReader looked_;
  Contents contents_;
  trace::TraceReader reader_;
};

// --place TAG.
void add_place(CLI::App& app, std::string& tag);

}  // namespace ashlar::host::traces
