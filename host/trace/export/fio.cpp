// fio: an iolog of version 3. Its times are microseconds and begin at 1, for fio takes 0 for no time.
#include "trace/export/exporter.hpp"
#include "trace/export/in_time.hpp"

namespace ashlar::host::traces {
namespace {

// fio ends a name at a blank, and takes a colon for the end of one.
std::string file_name(const std::string& exported) {
  std::string text = exported.substr(0, 200);
  for (char& c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == ':' || c == '/' || c == '\x7f') c = '_';
  return text.empty() ? "disk" : text;
}

class Fio : public Exporter {
 public:
  explicit Fio(const Exporting& to) : out_(to.out), unsaid_(to.unsaid) { out_ << "fio version 3 iolog\n"; }

  void add(const trace::Record& r) override {
    if (file_.empty()) {
      file_ = file_name(r.place->exported);
      out_ << "1 " << file_ << " add\n1 " << file_ << " open\n";
    }
    const std::uint64_t start = time_.start(r) / 1000 + 1;
    if (!is_said(r)) return;
    last_ = start;
    const char* const action = r.op == Op::flush ? "sync" : name(r.op);
    out_ << start << ' ' << file_ << ' ' << action << ' ' << r.offset << ' ' << r.length << '\n';
    if (r.flags.has(Flag::fua)) unsaid_.add("FUA flags");
  }

  void end() override {
    if (!file_.empty()) out_ << last_ << ' ' << file_ << " close\n";
  }

 private:
  bool is_said(const trace::Record& r) {
    const bool has_bytes = r.op == Op::read || r.op == Op::write;
    if (r.op == Op::flush || (has_bytes && r.length != 0)) return true;
    unsaid_.add(r.op == Op::trim      ? "trims, left out"
                : r.op == Op::zero    ? "zeroes, left out"
                : r.op == Op::cache   ? "caches, left out"
                : r.op == Op::extents ? "extents, left out"
                                      : "requests without bytes, left out");
    return false;
  }

  std::ostream& out_;
  Unsaid& unsaid_;
  SinceBegin time_;
  std::string file_;
  std::uint64_t last_ = 1;
};

}  // namespace

std::unique_ptr<Exporter> make_fio(const Exporting& to) { return std::make_unique<Fio>(to); }

}  // namespace ashlar::host::traces
