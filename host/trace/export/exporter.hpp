// Exporter: puts the records of a trace into another tool's format.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

#include "format/trace_reader.hpp"

namespace ashlar::host::traces {

// What a format cannot say, by kind, with how often it came.
class Unsaid {
 public:
  // `what` reads on behind a number: "trims, left out".
  void add(const char* what, std::uint64_t times = 1) { counts_[what] += times; }
  // "12 trims, left out; 3 FUA flags"; empty: all was said.
  std::string text() const;

 private:
  std::map<std::string, std::uint64_t> counts_;
};

// The clients that a reader has told of, by run and connection.
using Clients = std::map<std::pair<std::uint64_t, std::uint64_t>, trace::Client>;

struct Exporting {
  std::ostream& out;
  trace::TraceReader& reader;  // for payloads
  const Clients& clients;      // of all records that have been read
  Unsaid& unsaid;
};

class Exporter {
 public:
  virtual ~Exporter() = default;
  // In the order of their start. Throws UsageError when the trace cannot serve for the format.
  virtual void add(const trace::Record& record) = 0;
  // No more comes.
  virtual void end() {}
};

struct ExportFormat {
  const char* name;
  std::unique_ptr<Exporter> (*make)(const Exporting& to);
  bool one_disk;     // all of it is about one disk: a trace of several places cannot be said
  bool needs_file;   // the beginning is written again at the end
  bool needs_whole;  // without some of the requests it would tell what is wrong
};

std::unique_ptr<Exporter> make_csv(const Exporting& to);
std::unique_ptr<Exporter> make_json(const Exporting& to);
std::unique_ptr<Exporter> make_perfetto(const Exporting& to);
std::unique_ptr<Exporter> make_fio(const Exporting& to);
std::unique_ptr<Exporter> make_blktrace(const Exporting& to);
std::unique_ptr<Exporter> make_dm_log_writes(const Exporting& to);
std::unique_ptr<Exporter> make_nbdkit(const Exporting& to);

inline constexpr ExportFormat export_formats[] = {
    {"csv", &make_csv, false, false, false},           {"json", &make_json, false, false, false},
    {"perfetto", &make_perfetto, false, false, false}, {"fio", &make_fio, true, false, false},
    {"blktrace", &make_blktrace, true, false, false},  {"dm-log-writes", &make_dm_log_writes, true, true, true},
    {"nbdkit", &make_nbdkit, true, false, false},
};

}  // namespace ashlar::host::traces
