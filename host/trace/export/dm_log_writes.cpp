// dm-log-writes: the log that the kernel's device mapper target of that name writes, for replay-log. As there, what was
// written stands in the log when it is durable: a FUA write when it was finished, others at the end of the first flush
// that began after they were finished.
#include <algorithm>
#include <cstring>
#include <deque>

#include "cli/command.hpp"
#include "config/text.hpp"
#include "trace/export/exporter.hpp"
#include "trace/export/in_time.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::uint64_t sector = 512;
// Of writes that no flush has followed yet.
constexpr std::size_t most_waiting = 1 << 16;

struct Super {
  std::uint64_t magic = 0x6a736677736872;
  std::uint64_t version = 1;
  std::uint64_t entries = 0;
  std::uint32_t sector_bytes = sector;
  std::uint32_t unused = 0;
};
struct Entry {
  std::uint64_t first = 0;  // sector
  std::uint64_t sectors = 0;
  std::uint64_t flags = 0;
  std::uint64_t data_bytes = 0;  // of a mark
};
constexpr std::uint64_t flag_flush = 1, flag_fua = 2, flag_discard = 4;

class DmLogWrites : public Exporter {
 public:
  explicit DmLogWrites(const Exporting& to)
      : out_(to.out),
        reader_(to.reader),
        unsaid_(to.unsaid),
        events_([this](InTime::Event event, const trace::Record& record) {
          if (event == InTime::Event::ends) ends(record);
          else if (record.op == Op::flush) flushing_[name_of(record)] = first_ + waiting_.size();
        }) {
    put_sector(Super{});
  }

  void add(const trace::Record& r) override {
    if (r.place->payload != trace::PayloadKind::data)
      throw UsageError("the trace has no data: dm-log-writes needs one with payload = \"data\"");
    if (r.op == Op::write && r.left_out)
      throw UsageError("the trace has no bytes of the write with id " + std::to_string(r.id) + " at " +
                       std::to_string(r.offset) + ": they did not fit into max_size");
    if (r.op == Op::read || r.op > Op::zero) return;
    if (r.result != 0) return unsaid_.add("requests that failed, left out");
    const bool whole = (r.offset | r.length) % sector == 0;
    if (!whole && r.op != Op::trim) return unsaid_.add("writes that are not on 512 bytes, left out");
    events_.add(r);
  }

  void end() override {
    events_.end();
    put_until(UINT64_MAX);
    if (hole_ && out_.seekp(-1, std::ios::cur)) out_.put('\0');
    out_.seekp(0);
    Super super;
    super.entries = entries_;
    put_sector(super);
    if (!out_) throw std::runtime_error("dm-log-writes needs a file in which can be gone back");
  }

 private:
  struct Waiting {
    trace::Record record;
    bool is_put = false;
  };
  struct Name {
    std::uint64_t connection, id, start;
    friend auto operator<=>(const Name&, const Name&) = default;
  };
  static Name name_of(const trace::Record& r) { return {r.connection, r.id, r.start}; }

  void ends(const trace::Record& r) {
    if (r.op == Op::flush) {
      put_until(flushing_[name_of(r)]);
      flushing_.erase(name_of(r));
      put_entry({.flags = flag_flush});
    } else if (r.flags.has(Flag::fua)) {
      put_overlapped_by(r);
      put_write(r);
    } else {
      waiting_.push_back({r});
      if (waiting_.size() <= most_waiting) return;
      put_until(first_ + 1);
      unsaid_.add("writes that no flush had followed for long, put before their flush");
    }
  }

  // Those of the first `number` that were finished.
  void put_until(std::uint64_t number) {
    for (; first_ < number && !waiting_.empty(); ++first_) {
      if (!waiting_.front().is_put) put_write(waiting_.front().record);
      waiting_.pop_front();
    }
  }

  // What a FUA write has written over must not come behind it.
  void put_overlapped_by(const trace::Record& r) {
    for (Waiting& one : waiting_) {
      if (one.is_put || one.record.end() <= r.offset || one.record.offset >= r.end()) continue;
      put_write(one.record);
      one.is_put = true;
    }
  }

  void put_write(const trace::Record& r) {
    Entry entry{.first = r.offset / sector, .sectors = r.length / sector};
    if (r.flags.has(Flag::fua)) entry.flags |= flag_fua;
    if (r.op == Op::trim) {  // of a block that it has only a part of, nothing is trimmed
      entry.first = (r.offset + sector - 1) / sector;
      entry.sectors = std::max(r.end() / sector, entry.first) - entry.first;
      entry.flags |= flag_discard;
    }
    put_entry(entry);
    if (r.op == Op::write) {
      reader_.payload(r, payload_);
      out_.write(reinterpret_cast<const char*>(payload_.data()), static_cast<std::streamsize>(payload_.size()));
      hole_ = false;
    } else if (r.op == Op::zero) {  // a hole of the file reads as zeroes
      out_.seekp(static_cast<std::streamoff>(r.length), std::ios::cur);
      hole_ = true;
    }
  }

  void put_entry(const Entry& entry) {
    ++entries_;
    put_sector(entry);
    hole_ = false;
  }

  template <class Head>
  void put_sector(const Head& head) {
    char bytes[sector] = {};
    std::memcpy(bytes, &head, sizeof head);
    out_.write(bytes, sizeof bytes);
  }

  std::ostream& out_;
  trace::TraceReader& reader_;
  Unsaid& unsaid_;
  InTime events_;
  std::deque<Waiting> waiting_;             // finished, and not known to be durable
  std::uint64_t first_ = 0;                 // how many had been finished before the first of those
  std::map<Name, std::uint64_t> flushing_;  // of flushes under way: how many had been finished when they began
  std::vector<std::byte> payload_;
  std::uint64_t entries_ = 0;
  bool hole_ = false;  // the last bytes are not written but left out
};

}  // namespace

std::unique_ptr<Exporter> make_dm_log_writes(const Exporting& to) { return std::make_unique<DmLogWrites>(to); }

}  // namespace ashlar::host::traces
