// perfetto: the trace event format, as Perfetto and chrome://tracing read it. Each place is a process; each request is
// a slice on a track of its connection. Slices of one track must not overlap, so a connection has as many tracks as it
// had requests under way at once.
#include <boost/json/serialize.hpp>
#include <cinttypes>
#include <cstdio>
#include <vector>

#include "cli/json.hpp"
#include "trace/between.hpp"
#include "trace/export/exporter.hpp"
#include "trace/export/in_time.hpp"
#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

class Perfetto : public Exporter {
 public:
  explicit Perfetto(const Exporting& to) : out_(to.out) { out_ << "{\"displayTimeUnit\":\"ns\",\"traceEvents\":["; }

  void add(const trace::Record& r) override {
    const std::uint64_t start = time_.start(r), done = time_.done(r);
    const std::size_t process = process_of(r);
    const std::size_t track = track_of(process, r.connection, start, done);
    char numbers[512];
    std::snprintf(numbers, sizeof numbers,
                  "{\"ph\":\"X\",\"pid\":%zu,\"tid\":%zu,\"ts\":%" PRIu64 ".%03d,\"dur\":%" PRIu64
                  ".%03d,\"name\":\"%s\",\"cat\":\"%s\",\"args\":{\"id\":%" PRIu64 ",\"offset\":%" PRIu64
                  ",\"length\":%" PRIu64 ",\"depth\":%" PRIu32,
                  process, track, start / 1000, static_cast<int>(start % 1000), (done - start) / 1000,
                  static_cast<int>((done - start) % 1000), name(r.op), r.result != 0 ? "failed" : "ok", r.id, r.offset,
                  r.length, r.depth);
    std::string event = numbers;
    event += ",\"flags\":\"" + flags_text(r.flags) + "\",\"result\":\"" + result_text(r.result) + "\"";
    if (r.sent > r.done) {
      std::snprintf(numbers, sizeof numbers, ",\"reply_us\":%" PRIu64 ".%03d", (r.sent - r.done) / 1000,
                    static_cast<int>((r.sent - r.done) % 1000));
      event += numbers;
    }
    put(event + "}}");
    if (begin_.empty()) begin_ = calendar_text(static_cast<std::int64_t>(r.start) + r.place->to_realtime);
  }

  void end() override { out_ << "\n],\"otherData\":{\"begin\":\"" << begin_ << "\"}}\n"; }

 private:
  struct Track {
    std::size_t number;
    std::uint64_t free_from;  // nanoseconds since the beginning
  };

  void put(const std::string& event) { out_ << (std::exchange(first_, false) ? "\n" : ",\n") << event; }

  void name_it(const char* what, std::size_t process, std::size_t track, const std::string& text) {
    put("{\"ph\":\"M\",\"pid\":" + std::to_string(process) + ",\"tid\":" + std::to_string(track) + ",\"name\":\"" +
        what + "\",\"args\":{\"name\":" + json::serialize(json_text(text)) + "}}");
  }

  std::size_t process_of(const trace::Record& r) {
    const auto [at, added] = processes_.try_emplace(name_of(*r.place), processes_.size() + 1);
    if (added) name_it("process_name", at->second, 0, r.place->exported + " " + r.place->tag);
    return at->second;
  }

  std::size_t track_of(std::size_t process, std::uint64_t connection, std::uint64_t start, std::uint64_t done) {
    std::vector<Track>& tracks = tracks_[{process, connection}];
    for (Track& track : tracks)
      if (track.free_from <= start) {
        track.free_from = done;
        return track.number;
      }
    tracks.push_back({++last_track_, done});
    name_it("thread_name", process, last_track_,
            (connection != 0 ? "connection " + std::to_string(connection) : std::string("of no client")) + ", " +
                std::to_string(tracks.size()));
    return last_track_;
  }

  std::ostream& out_;
  SinceBegin time_;
  bool first_ = true;
  std::string begin_;  // by the calendar
  std::map<PlaceName, std::size_t> processes_;
  std::map<std::pair<std::size_t, std::uint64_t>, std::vector<Track>> tracks_;
  std::size_t last_track_ = 0;
};

}  // namespace

std::unique_ptr<Exporter> make_perfetto(const Exporting& to) { return std::make_unique<Perfetto>(to); }

}  // namespace ashlar::host::traces
