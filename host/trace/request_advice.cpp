// What the client does is told of the topmost place, and not again of those below, where it looks the same.
#include "trace/request_advice.hpp"

#include <algorithm>
#include <cstdio>

#include "trace/words.hpp"

namespace ashlar::host::traces {
namespace {

// Of fewer nothing is said.
constexpr std::uint64_t some = 20, many = 100;

const OpStats& of(const PlaceStats& stats, Op op) { return stats.by_op()[static_cast<std::size_t>(op)]; }

// More than `share` of `whole`, of which there are at least `least`.
bool is_much(std::uint64_t part, std::uint64_t whole, double share, std::uint64_t least) {
  return whole >= least && static_cast<double>(part) > share * static_cast<double>(whole);
}

class OnRequests {
 public:
  OnRequests(const PlaceStats& stats, const Around& around, std::vector<Advice>& advice)
      : stats_(stats), around_(around), advice_(advice), writes_(of(stats, Op::write)) {}

  void look() {
    on_alignment();
    on_zeroes();
    on_no_flush();
    if (around_.above != nullptr) return;
    on_flushes();
    on_fua();
    on_sizes();
    on_trims();
    on_reading_again();
    on_waiting();
  }

 private:
  void add(const std::string& text) { advice_.push_back({stats_.place().tag, text}); }
  static std::string number(std::uint64_t n) { return std::to_string(n); }
  static std::string percent(std::uint64_t part, std::uint64_t whole) {
    return traces::percent(static_cast<double>(part), static_cast<double>(whole));
  }

  // 4 KiB is what disks and file systems have.
  void on_alignment() {
    const auto is_bad = [](const PlaceStats& stats) {
      return is_much(stats.misaligned_writes(), of(stats, Op::write).count, 0.1, some);
    };
    if (!is_bad(stats_)) return;
    std::string text = percent(stats_.misaligned_writes(), writes_.count) + " of " + number(writes_.count) +
                       " writes are not on 4 KiB";
    if (around_.above != nullptr) {
      const OpStats& above = of(*around_.above, Op::write);
      if (is_bad(*around_.above) || above.count < some) return;
      add(text + ", and " + percent(around_.above->misaligned_writes(), above.count) + " at \"" +
          around_.above->place().tag + "\": a layer between the two shifts or cuts them");
      return;
    }
    const Between::Pair* const below = around_.below;
    const bool is_mended = below != nullptr && below->writes.grown_requests * 2 > below->writes.upper_requests;
    add(text + ": " + (is_mended ? "" : "put align above, or ") + "set the client's block size");
  }

  // A layer that makes whole blocks of writes fills them up with what the disk has, zeroes too.
  void on_zeroes() {
    if (around_.above != nullptr && (around_.above->place().payload != trace::PayloadKind::none ||
                                     around_.from_above->writes.lower_bytes > around_.from_above->writes.upper_bytes))
      return;
    const std::uint64_t known = writes_.bytes - stats_.unknown();
    if (stats_.zeroes() > 1 << 20 && is_much(stats_.zeroes(), known, 0.1, 0))
      add(percent(stats_.zeroes(), known) + " of " + number(known) +
          " bytes written are zeroes: have the client detect zeroes and use zero or trim");
  }

  void on_no_flush() {
    const auto has_none = [](const PlaceStats& stats) { return of(stats, Op::flush).count + stats.fua() == 0; };
    if (writes_.count < many || !has_none(stats_)) return;
    const std::string text = "there are " + number(writes_.count) + " writes and no flush";
    if (around_.above == nullptr) add(text + ": nothing that was written is known to be durable");
    else if (const std::uint64_t above = of(*around_.above, Op::flush).count; above != 0)
      add(text + ", but " + number(above) + " at \"" + around_.above->place().tag +
          "\": a layer between the two keeps them");
  }

  void on_flushes() {
    const OpStats& flushes = of(stats_, Op::flush);
    if (is_much(stats_.idle_flushes(), flushes.count, 0.25, some))
      add(number(stats_.idle_flushes()) + " of " + number(flushes.count) +
          " flushes came when nothing had been changed since the one before: have the client leave them out");
    const std::uint64_t useful = flushes.count - stats_.idle_flushes();
    const std::uint64_t changes = writes_.count + of(stats_, Op::zero).count + of(stats_, Op::trim).count;
    if (useful < some || useful * 4 <= changes) return;
    add("there are " + number(flushes.count) + " flushes for " + number(changes) +
        (changes == writes_.count ? " writes" : " writes, zeroes and trims") + ", of " +
        duration_text(static_cast<double>(flushes.latency.percentile(0.5))) +
        " each (p50): see whether the client may flush less often");
  }

  void on_fua() {
    if (is_much(stats_.fua_writes(), writes_.count, 0.5, some))
      add(number(stats_.fua_writes()) + " of " + number(writes_.count) +
          " writes have FUA, so that each waits until it is durable: see whether the client may write several and then "
          "flush");
  }

  void on_sizes() {
    for (const Op op : {Op::read, Op::write}) {
      const OpStats& one = of(stats_, op);
      const double mean = static_cast<double>(one.bytes) / static_cast<double>(std::max<std::uint64_t>(one.count, 1));
      if (is_much(one.sequential, one.count, 0.5, many) && mean < 32 * 1024)
        add(percent(one.sequential, one.count) + " of " + number(one.count) + " " + name(op) +
            "s go on where the last one ended, with " + number(static_cast<std::uint64_t>(mean)) +
            " bytes each: larger requests would be fewer");
    }
  }

  void on_trims() {
    const OpStats& trims = of(stats_, Op::trim);
    if (is_much(stats_.partial_trims(), trims.count, 0.5, some))
      add(number(stats_.partial_trims()) + " of " + number(trims.count) +
          " trims have no whole block of 4 KiB in them, and may free nothing: have the client trim more at once");
  }

  // What a layer below spares costs little.
  void on_reading_again() {
    constexpr std::uint64_t least_bytes = 64 << 20, times = 4;
    const OpStats& reads = of(stats_, Op::read);
    const std::uint64_t of_disk = stats_.touched().working_set();
    const bool is_spared = around_.below != nullptr && around_.below->reads.spared * 2 > reads.count;
    if (reads.bytes < least_bytes || reads.bytes <= times * of_disk || is_spared) return;
    add(number(reads.bytes) + " bytes of reads are of " + number(of_disk) + " bytes of the disk" +
        (stats_.touched().is_estimate() ? " (estimated)" : "") + ": put cache above, or give the client more memory");
  }

  void on_waiting() {
    constexpr std::uint64_t least = 1000;
    constexpr double share = 0.8;
    const OpStats& reads = of(stats_, Op::read);
    const Timeline& timeline = stats_.timeline();
    const bool alone = std::all_of(timeline.slices().begin(), timeline.slices().end(),
                                   [&](const Timeline::Slice& slice) { return timeline.most_depth(slice) <= 1; });
    const double busy = reads.latency.sum() + writes_.latency.sum();
    const double all = static_cast<double>(timeline.slices().size()) * static_cast<double>(timeline.width());
    if (!alone || reads.count + writes_.count < least || busy < share * all) return;
    add("of " + number(reads.count + writes_.count) + " reads and writes never two were under way, and one was for " +
        traces::percent(busy, all) + " of the time: a client that asks for several at once has to wait less");
  }

  const PlaceStats& stats_;
  const Around& around_;
  std::vector<Advice>& advice_;
  const OpStats& writes_;
};

}  // namespace

std::string percent(double part, double whole) {
  char text[16];
  std::snprintf(text, sizeof text, "%.0f %%", whole > 0 ? 100 * part / whole : 0);
  return text;
}

void on_requests(const PlaceStats& stats, const Around& around, std::vector<Advice>& advice) {
  OnRequests(stats, around, advice).look();
}

}  // namespace ashlar::host::traces
