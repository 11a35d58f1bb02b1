// Which requests of a trace are wanted: --op, --range, --slower, --failed, --connection, --place.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "format/record.hpp"
#include "trace/subcommands.hpp"

namespace ashlar::host::traces {

class Selection {
 public:
  // Adds its options to a command.
  void add_to(CLI::App& app);
  // Behind parse(): throws UsageError for what is no op, range or time.
  void prepare();

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
