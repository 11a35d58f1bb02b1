// blktrace: what the kernel's blktrace writes of one device, for blkparse and btt. A request is queued and issued when
// it came, and completed when the layers below had answered.
#include <linux/blktrace_api.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "trace/export/exporter.hpp"
#include "trace/export/in_time.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::uint32_t nbd0 = 43 << 20;  // as the kernel numbers /dev/nbd0

class Blktrace : public Exporter {
 public:
  explicit Blktrace(const Exporting& to)
      : out_(to.out), unsaid_(to.unsaid), events_([this](InTime::Event event, const trace::Record& record) {
          if (event == InTime::Event::begins) begins(record);
          else put(record, time_.done(record), BLK_TA_COMPLETE);
        }) {}

  void add(const trace::Record& r) override {
    if (r.op > Op::zero) return unsaid_.add(r.op == Op::cache ? "caches, left out" : "extents, left out");
    if (r.op == Op::zero) unsaid_.add("zeroes, which look like writes");
    if ((r.offset | r.length) % sector != 0) unsaid_.add("requests that are not on 512 bytes, made larger");
    if (r.length > most) unsaid_.add("requests of 4 GiB or more, cut");
    events_.add(r);
  }

  void end() override { events_.end(); }

 private:
  static constexpr std::uint64_t sector = 512;
  static constexpr std::uint64_t most = UINT32_MAX / sector * sector;

  void begins(const trace::Record& r) {
    const std::uint64_t time = time_.start(r);
    if (sequence_ == 0) put_time(r, time);
    const auto process = static_cast<std::uint32_t>(r.connection);
    if (processes_.insert(process).second) put_process(process, time);
    put(r, time, BLK_TA_QUEUE);
    put(r, time, BLK_TA_ISSUE);
  }

  static std::uint32_t categories(const trace::Record& r) {
    std::uint32_t all = r.flags.has(Flag::fua) ? BLK_TC_FUA : 0;
    if (r.op == Op::read) all |= BLK_TC_READ;
    else if (r.op == Op::flush) all |= BLK_TC_FLUSH;
    else all |= BLK_TC_WRITE | (r.op == Op::trim ? BLK_TC_DISCARD : 0);
    return all;
  }

  void put(const trace::Record& r, std::uint64_t time, std::uint32_t action) {
    const std::uint64_t begin = r.offset / sector, end = (r.offset + r.length + sector - 1) / sector;
    blk_io_trace event = make(static_cast<std::uint32_t>(r.connection), time, action | categories(r) << BLK_TC_SHIFT);
    event.sector = begin;
    event.bytes = static_cast<std::uint32_t>(std::min((end - begin) * sector, most));
    if (action == BLK_TA_COMPLETE) event.error = static_cast<std::uint16_t>(r.result);
    write(event);
  }

  // Which time of the calendar the first event has.
  void put_time(const trace::Record& r, std::uint64_t time) {
    const std::int64_t real = static_cast<std::int64_t>(r.start) + r.place->to_realtime;
    const std::uint32_t parts[] = {static_cast<std::uint32_t>(real / 1'000'000'000),
                                   static_cast<std::uint32_t>(real % 1'000'000'000)};
    put_note(make(0, time, BLK_TN_TIMESTAMP), parts, sizeof parts);
  }

  void put_process(std::uint32_t process, std::uint64_t time) {
    char called[16] = {};
    std::snprintf(called, sizeof called, "connection-%u", process % 1000);
    put_note(make(process, time, BLK_TN_PROCESS), called, sizeof called);
  }

  void put_note(blk_io_trace event, const void* bytes, std::uint16_t length) {
    event.pdu_len = length;
    write(event);
    out_.write(static_cast<const char*>(bytes), length);
  }

  blk_io_trace make(std::uint32_t process, std::uint64_t time, std::uint32_t action) {
    blk_io_trace event{};
    event.magic = BLK_IO_TRACE_MAGIC | BLK_IO_TRACE_VERSION;
    event.sequence = ++sequence_;
    event.time = time + 1;  // 0 counts as no time
    event.pid = process;
    event.device = nbd0;
    event.action = action;
    return event;
  }

  void write(const blk_io_trace& event) { out_.write(reinterpret_cast<const char*>(&event), sizeof event); }

  std::ostream& out_;
  Unsaid& unsaid_;
  SinceBegin time_;
  InTime events_;
  std::uint32_t sequence_ = 0;
  std::set<std::uint32_t> processes_;
};

}  // namespace

std::unique_ptr<Exporter> make_blktrace(const Exporting& to) { return std::make_unique<Blktrace>(to); }

}  // namespace ashlar::host::traces
