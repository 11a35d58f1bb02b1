#include "trace/crash/power_cuts.hpp"

#include <algorithm>

#include "trace/interrupt.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::uint64_t disk_sector = 512;  // what a disk writes whole or not at all

}  // namespace

void States::before(const trace::Record* cause) {
  if (cause != nullptr) ++moments_;
  if (!points_.subsets) return;
  for (std::uint64_t n = 0; n != subsets_at_each; ++n) state(next_++, cause, false);
}

void States::after(const trace::Record& cause) { state(next_++, &cause, true); }

PowerCuts::PowerCuts(OnePlace& requests, Scratch& scratch, const std::string& command, const Points& points,
                     std::uint64_t count, Progress& progress)
    : States(points),
      requests_(requests),
      scratch_(scratch),
      command_(command),
      progress_(progress),
      history_(requests, *this),
      choice_(points.seed),
      states_left_(count > points.from ? count - points.from : 0),
      wanted_left_(std::min(states_left_, points.fewer.value_or(UINT64_MAX))) {}

std::optional<BadState> PowerCuts::run() {
  try {
    if (is_wanted(0)) look(0, nullptr, true);
    history_.run();
  } catch (const Found&) {
  }
  return std::move(bad_);
}

// Each state is as probable as any other.
bool PowerCuts::is_wanted(std::uint64_t number) {
  if (number < points_.from || wanted_left_ == 0) return false;
  const bool wanted = choice_() % states_left_ < wanted_left_;
  --states_left_;
  if (wanted) --wanted_left_;
  return wanted;
}

void PowerCuts::durable(const Change& change) {
  for (const Range& range : change.left) scratch_.make_durable(range, bytes_of(change, range));
}

void PowerCuts::state(std::uint64_t number, const trace::Record* cause, bool answered) {
  Interrupt::check();
  if (!is_wanted(number)) return;
  if (!answered) lay_at_random(number);
  look(number, cause, answered);
}

// Of the seed and the number alone, so that a state is the same whichever others are checked.
void PowerCuts::lay_at_random(std::uint64_t number) {
  std::seed_seq seeds{points_.seed, points_.seed >> 32, number, number >> 32};
  std::mt19937_64 random(seeds);
  for (const Change* const change : history_.at_risk()) lay(*change, random);
}

// The history stands still where the bad state was found.
void PowerCuts::keep(const BadState& bad, const std::string& path) {
  scratch_.restore();
  if (!bad.answered) lay_at_random(bad.number);
  copy_disk(scratch_.image(), path);
}

// All of a change, nothing, or what stands before and behind, or between, two of its sectors.
void PowerCuts::lay(const Change& change, std::mt19937_64& random) {
  const std::uint64_t how = random() % 4, first = random(), second = random();
  Fate& fate = fates_[change.record.position];
  fate = how == 0 ? Fate::lost : how == 1 ? Fate::kept : Fate::torn;
  if (fate == Fate::lost) return;
  const std::uint64_t begin = change.record.offset / disk_sector;
  const std::uint64_t sectors = (change.record.end() + disk_sector - 1) / disk_sector - begin;
  std::uint64_t from = (begin + first % (sectors + 1)) * disk_sector,
                to = (begin + second % (sectors + 1)) * disk_sector;
  if (from > to) std::swap(from, to);
  for (const Range& range : change.left) {
    const std::uint64_t cut = std::clamp(from, range.begin, range.end), until = std::clamp(to, range.begin, range.end);
    if (fate == Fate::kept) put(change, range);
    else if (how == 2) put(change, {cut, until});
    else put(change, {range.begin, cut}), put(change, {until, range.end});
  }
}

void PowerCuts::put(const Change& change, Range range) {
  if (range.begin < range.end) scratch_.put(range, bytes_of(change, range));
}

// None for zeroes. Valid until the next call.
std::span<const std::byte> PowerCuts::bytes_of(const Change& change, Range range) {
  const trace::Record& record = change.record;
  if (record.op != Op::write) return {};
  if (payload_of_ != record.position) requests_.payload(record, payload_);
  payload_of_ = record.position;
  return std::span(payload_).subspan(range.begin - record.offset, range.end - range.begin);
}

void PowerCuts::look(std::uint64_t number, const trace::Record* cause, bool answered) {
  progress_.tell(checked_, checked_ + wanted_left_ + 1);
  scratch_.hand_out();
  Checked checked = check_image(command_, scratch_.image());
  ++checked_;
  if (!checked.good) {
    // Said for the bad state alone: there may be as many states as changes.
    if (answered)
      for (const Change* const change : history_.at_risk()) fates_[change->record.position] = Fate::lost;
    bad_.emplace();
    bad_->number = number;
    if (cause != nullptr) bad_->cause = *cause;
    bad_->answered = answered;
    bad_->fates = fates_;
    bad_->recent.assign(history_.recent().begin(), history_.recent().end());
    bad_->checked = std::move(checked);
    throw Found();
  }
  scratch_.restore();
  fates_.clear();
}

}  // namespace ashlar::host::traces
