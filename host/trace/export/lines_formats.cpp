// csv and json: a line for each request, with all that a record has.
#include "config/text.hpp"
#include "trace/export/exporter.hpp"
#include "trace/lines.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

// A field as RFC 4180 wants it.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

class Csv : public Exporter {
 public:
  explicit Csv(const Exporting& to) : out_(to.out) {
    out_ << "id,connection,export,place,op,flags,offset,length,start,done,sent,result,depth,run\n";
  }
  void add(const trace::Record& r) override {
    out_ << r.id << ',' << r.connection << ',' << field(r.place->exported) << ',' << field(r.place->tag) << ','
         << name(r.op) << ',' << (r.flags == Flags{} ? "" : field(flags_text(r.flags))) << ',' << r.offset << ','
         << r.length << ',' << r.start << ',' << r.done << ',';
    if (r.sent != 0) out_ << r.sent;
    out_ << ',' << result_text(r.result) << ',' << r.depth << ',' << run_text(r.run) << '\n';
  }

 private:
  std::ostream& out_;
};

class Json : public Exporter {
 public:
  explicit Json(const Exporting& to) : out_(to.out) {}
  void add(const trace::Record& record) override { out_ << lines_.json(record) << '\n'; }

 private:
  std::ostream& out_;
  Lines lines_;
};

}  // namespace

std::unique_ptr<Exporter> make_csv(const Exporting& to) { return std::make_unique<Csv>(to); }
std::unique_ptr<Exporter> make_json(const Exporting& to) { return std::make_unique<Json>(to); }

}  // namespace ashlar::host::traces
