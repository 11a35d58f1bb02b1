// Probe: what a plugin can tell of a place to keep a disk in before a disk is trusted to it. `ashlar probe PATH` prints
// it.
//
//   static void probe(const ashlar::ProbeRequest& request) {
//     request.report.kind("file on ext4");
//     request.report.row("punch_hole", ashlar::Supported::yes, "deallocates");
//   }
#pragma once
#include <ashlar/abi.h>

#include <cstdint>
#include <string>

namespace ashlar {

enum class Supported : std::uint32_t {
  no = ASHLAR_PROBE_NO,
  yes = ASHLAR_PROBE_YES,
  unknown = ASHLAR_PROBE_UNKNOWN,  // it was not tried, or trying it did not tell
};

// Where the rows go. Valid during the call of probe(). What is told when nothing more is wanted goes nowhere.
class ProbeReport {
 public:
  explicit ProbeReport(const ashlar_probe_sink& sink) : sink_(&sink) {}

  // What the path was found to be; once, before the rows.
  // False: nothing more is wanted.
  bool kind(const std::string& kind) const { return wanted_ = wanted_ && sink_->kind(sink_->self, kind.c_str()) == 0; }
  // `name`: one word, as the plugin's log and documentation have it; `note`: one line for an operator. False: nothing
  // more is wanted.
  bool row(const std::string& name, Supported supported, const std::string& note) const {
    return wanted_ = wanted_ &&
                     sink_->row(sink_->self, name.c_str(), static_cast<std::uint32_t>(supported), note.c_str()) == 0;
  }

 private:
  const ashlar_probe_sink* sink_;
  mutable bool wanted_ = true;
};

// A plugin class with `static void probe(const ProbeRequest&)` has the extension ASHLAR_PROBE_ID. It may throw, as a
// constructor may; what is at `path` it never changes. [control]
struct ProbeRequest {
  const char* path;
  bool only_ask;  // write nothing, not even a scratch file
  ProbeReport report;
};

}  // namespace ashlar
