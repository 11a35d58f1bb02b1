// nbdkit: the lines that nbdkit's filter log writes.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "format/texts.hpp"
#include "trace/export/exporter.hpp"
#include "trace/export/in_time.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

// As a shell takes it for one word; as it is when nothing in it means something to a shell.
std::string shell_quoted(const std::string& text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::strchr("_-./", c) != nullptr;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '$' || c == '`' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "\"";
}

const char* action_of(Op op) {
  constexpr const char* names[] = {"Read", "Write", "Flush", "Trim", "Zero", "Cache", "Extents"};
  return names[static_cast<std::size_t>(op)];
}

class Nbdkit : public Exporter {
 public:
  explicit Nbdkit(const Exporting& to)
      : out_(to.out),
        clients_(to.clients),
        unsaid_(to.unsaid),
        events_([this](InTime::Event event, const trace::Record& record) {
          if (event == InTime::Event::begins) begins(record);
          else ends(record);
        }) {}

  void add(const trace::Record& record) override {
    if (record.op > Op::extents) return unsaid_.add("requests of an unknown op, left out");
    events_.add(record);
  }

  void end() override { events_.end(); }

 private:
  void begins(const trace::Record& r) {
    const auto [at, added] = connected_.try_emplace({r.run, r.connection}, 0);
    if (added && r.connection != 0) {
      connects(r);
      unsaid_.add("ends of connections, left out");
    }
    put_head(r, r.start);
    out_ << action_of(r.op) << " id=" << r.id;
    if (r.op != Op::flush) {
      char range[64];
      std::snprintf(range, sizeof range, " offset=0x%" PRIx64 " count=0x%" PRIx64, r.offset, r.length);
      out_ << range;
    }
    const auto put_flag = [&](const char* called, Flags flag) { out_ << ' ' << called << '=' << r.flags.has(flag); };
    if (r.op == Op::zero) put_flag("trim", Flag::may_trim);
    if (r.op == Op::write || r.op == Op::trim || r.op == Op::zero) put_flag("fua", Flag::fua);
    if (r.op == Op::zero) put_flag("fast", Flag::fast);
    if (r.op == Op::extents) put_flag("req_one", Flag::req_one);
    out_ << " ...\n";
  }

  void ends(const trace::Record& r) {
    put_head(r, std::max(r.done, r.start));
    out_ << "..." << action_of(r.op) << " id=" << r.id;
    if (r.result != 0) {
      out_ << " return=-1 error=" << result_text(r.result) << "\n";
      return;
    }
    if (r.op == Op::extents) unsaid_.add("lists of extents, left out");
    out_ << " return=0\n";
  }

  void connects(const trace::Record& r) {
    const auto client = clients_.find({r.run, r.connection});
    const bool known = client != clients_.end();
    const trace::Texts none, &texts = known ? client->second.texts : none;
    const std::string exported = known ? trace::text_in(texts, "export_name") : r.place->exported;
    const std::string ops = "," + trace::text_in(r.place->texts, "ops") + ",";
    const std::string flags = "," + trace::text_in(r.place->texts, "flags") + ",";
    const auto has = [](const std::string& list, const char* one) {
      return list.find("," + std::string(one) + ",") != list.npos ? 1 : 0;
    };
    const trace::Place& place = *r.place;
    char numbers[320];
    std::snprintf(numbers, sizeof numbers,
                  " size=0x%" PRIx64 " minsize=0x%" PRIx32 " prefsize=0x%" PRIx32 " maxsize=0x%" PRIx32
                  " write=%d flush=%d rotational=%" PRIu64 " trim=%d zero=%d fua=%d extents=%d cache=%d fast_zero=%d\n",
                  place.size, place.minimum, place.preferred, place.maximum,
                  trace::number_in(place.texts, "read_only") == 0 ? 1 : 0, has(ops, "flush"),
                  trace::number_in(place.texts, "rotational"), has(ops, "trim"), 2 * has(ops, "zero"),
                  2 * has(flags, "fua"), has(ops, "extents"), 2 * has(ops, "cache"), has(flags, "fast"));
    put_head(r, known && client->second.came != 0 ? client->second.came : r.start);
    out_ << "Connect export=" << shell_quoted(exported)
         << " tls=" << (trace::text_in(texts, "tls_name") + trace::text_in(texts, "psk_identity") != "" ? 1 : 0)
         << numbers;
  }

  // The time and the connection.
  void put_head(const trace::Record& r, std::uint64_t time) {
    std::string text = calendar_text(static_cast<std::int64_t>(time) + r.place->to_realtime);
    text[10] = ' ';
    text.pop_back();
    out_ << text << " connection=" << r.connection << ' ';
  }

  std::ostream& out_;
  const Clients& clients_;
  Unsaid& unsaid_;
  InTime events_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, int> connected_;  // run and connection
};

}  // namespace

std::unique_ptr<Exporter> make_nbdkit(const Exporting& to) { return std::make_unique<Nbdkit>(to); }

}  // namespace ashlar::host::traces
