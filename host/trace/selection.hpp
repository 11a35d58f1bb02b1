// Which requests of a trace are wanted: --op, --range, --slower, --failed, --connection, --place.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "format/trace_reader.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

// Behind all reading: throws UsageError with the tags that there are when one of `tags` is none of them.
void need_places(const trace::TraceReader& reader, const std::vector<std::string>& tags);

class Selection {
 public:
  // Adds its options to a command.
  void add_to(CLI::App& app);
  // Behind parse(): throws UsageError for what is no op, range or time.
  void prepare();

  // Whether it chooses between places and nothing else, or is all.
  bool is_of_places_only() const;
  // Behind all reading: throws UsageError when no trace has a place of that name.
  void need_places(const trace::TraceReader& reader) const { traces::need_places(reader, places_); }

  // Whether the request is one of those.
  bool has(const trace::Record& record) const;

 private:
  std::vector<std::string> op_names_, places_;
  std::vector<std::uint64_t> connections_;
  std::string range_text_, slower_text_;
  bool failed_ = false;
  Ops ops_ = Ops::known();
  bool all_ops_ = true;
  std::uint64_t from_ = 0, to_ = UINT64_MAX;  // bytes
  bool in_range_ = false;
  std::uint64_t slower_ = 0;  // nanoseconds
};

}  // namespace ashlar::host::traces
