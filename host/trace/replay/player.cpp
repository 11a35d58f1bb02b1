#include "trace/replay/player.hpp"

#include <algorithm>

#include "trace/interrupt.hpp"

namespace ashlar::host::traces {
namespace {

constexpr std::uint64_t most_payload = 64 << 20;  // of libnbd
constexpr std::uint64_t millisecond = 1'000'000;

bool is_change(const trace::Record& record) { return Ops::writing().has(Ops{record.op}); }

// A reply leaves when the layers above are done, too: below one, that is not the time of what is asked again.
bool is_topmost(const trace::Place& place) {
  const auto text = place.texts.find("topmost");
  return text == place.texts.end() || text->second != "0";
}

}  // namespace

Player::Player(OnePlace& requests, const std::vector<std::unique_ptr<Connection>>& connections, const Pace& pace,
               const OtherBytes& other, Judge* judge, Progress& progress)
    : requests_(requests),
      connections_(connections),
      offers_(connections.front()->offers()),
      pace_(pace),
      other_(other),
      judge_(judge),
      progress_(progress) {}

void Player::run() {
  try {
    ask_all();
  } catch (const ConnectionLost& e) {
    // libnbd ends those that it waits for with an error.
    const auto oldest = std::find_if(under_way_.begin(), under_way_.end(),
                                     [](const Again& again) { return !again.finished || again.error != 0; });
    if (oldest == under_way_.end()) throw;
    const trace::Record& r = oldest->record;
    throw ConnectionLost(std::string(e.what()) + "; the oldest request that it has not answered is number " +
                         std::to_string(oldest->number + 1) + ", " + name(r.op) +
                         " offset=" + std::to_string(r.offset) + " length=" + std::to_string(r.length));
  }
}

void Player::ask_all() {
  begun_ = monotonic_time();
  trace::Record record;
  for (std::uint64_t seen = 0; requests_.next(record); ++seen) {
    progress_.tell(seen, requests_.contents().requests);
    const bool asks = can_ask(record);
    if (asks) {
      const auto due = wait_for_time(record);
      while (has_to_wait(record)) go_on(UINT64_MAX);
      if (due && monotonic_time() >= *due + millisecond) ++late_;
    }
    if (judge_ != nullptr) judge_->begin(record, asked_, asks);
    if (!asks) continue;
    begin(record);
    last_done_ = std::max(last_done_, record.done);
    took_then_ = runs_before_ + (last_done_ - first_start_);
  }
  while (!under_way_.empty()) go_on(UINT64_MAX);
  if (judge_ != nullptr) judge_->end();
  ended_ = monotonic_time();
}

// May change the request to what the server can do of it. What is not done as it was is counted.
bool Player::can_ask(trace::Record& record) {
  const auto never = [&](const std::string& why) { return ++left_out_[why], false; };
  const std::string op = name(record.op);
  if (record.op > Op::extents) return never("of an unknown op are left out");
  if (!offers_.ops.has(Ops{record.op})) return never(op + ": left out, as the server does not offer that");
  if (record.op == Op::flush) return true;
  if (record.length == 0) return never(op + " of no bytes: left out");
  const bool has_bytes = record.op == Op::read || record.op == Op::write;
  if (record.length > (has_bytes ? most_payload : UINT32_MAX)) return never(op + ": left out, as they are too long");
  if (record.flags.has(Flag::fua) && !offers_.flags.has(Flag::fua)) {
    record.flags = record.flags.without(Flag::fua);
    ++left_out_[op + ": asked without FUA, as the server does not offer that"];
  }
  if (record.flags.has(Flag::fast) && !offers_.flags.has(Flag::fast))
    return never(op + " if it is fast: left out, as the server does not offer that");
  if (record.op == Op::write && record.payload != trace::PayloadKind::data)
    ++left_out_["write: of other bytes, as the trace does not have them"];
  return true;
}

// Returns when the request was to come; none: as soon as can be.
std::optional<std::uint64_t> Player::wait_for_time(const trace::Record& record) {
  if (record.run != run_ || asked_ == 0) {
    while (!under_way_.empty()) go_on(UINT64_MAX);
    run_ = record.run;
    first_start_ = record.start;
    runs_before_ = took_then_;
    last_done_ = record.done;
    run_begun_ = monotonic_time();
  }
  if (!pace_.speed) return std::nullopt;
  const double after = static_cast<double>(record.start - first_start_) / *pace_.speed;
  const std::uint64_t due = run_begun_ + static_cast<std::uint64_t>(after);
  while (monotonic_time() < due) go_on(due);
  return due;
}

bool Player::has_to_wait(const trace::Record& record) const {
  if (under_way_.empty()) return false;
  if (under_way_.size() >= most_under_way || bytes_under_way_ + record.length > most_bytes_under_way) return true;
  if (!pace_.keep_order) return false;
  return std::any_of(under_way_.begin(), under_way_.end(), [&](const Again& again) {
    const trace::Record& other = again.record;
    if (other.done > record.start) return false;  // they were under way together
    if (record.op == Op::flush) return true;
    if (other.op == Op::flush) return is_change(record);
    return (is_change(record) || is_change(other)) && record.offset < other.end() && other.offset < record.end();
  });
}

Connection& Player::connection_of(const trace::Record& record) {
  const auto [at, added] = numbers_.try_emplace({record.run, record.connection}, numbers_.size() % connections_.size());
  return *connections_[at->second];
}

void Player::begin(const trace::Record& record) {
  Again& again = under_way_.emplace_back();
  again.record = record;
  again.number = asked_++;
  bytes_under_way_ += record.length;
  if (record.op == Op::write && record.payload == trace::PayloadKind::data) {
    requests_.payload(record, again.bytes);
  } else if (record.op == Op::write) {
    again.bytes.resize(record.length);
    other_.fill(again.bytes, record.offset, again.number);
  }
  connection_of(record).begin(again);
  // Those that came earlier are not left to wait behind many that come.
  if (under_way_.size() % 16 == 0) go_on(0);
}

// Waits until something has come, or until that time of CLOCK_MONOTONIC, and takes what has come.
void Player::go_on(std::uint64_t until) {
  Interrupt::check();
  std::vector<pollfd> wanted;
  for (const auto& one : connections_) wanted.push_back(one->wanted());
  const std::uint64_t now = monotonic_time();
  // So that an interrupt is seen when nothing comes.
  const std::uint64_t wait = std::min(until > now ? until - now : 0, 200 * millisecond);
  const timespec time{static_cast<time_t>(wait / 1'000'000'000), static_cast<long>(wait % 1'000'000'000)};
  if (::ppoll(wanted.data(), wanted.size(), &time, nullptr) > 0)
    for (std::size_t n = 0; n != wanted.size(); ++n)
      if (wanted[n].revents != 0) connections_[n]->ready(wanted[n].revents);
  for (auto again = under_way_.begin(); again != under_way_.end();) {
    if (!again->finished) {
      ++again;
      continue;
    }
    finish(*again);
    again = under_way_.erase(again);
  }
}

void Player::finish(Again& again) {
  const trace::Record& record = again.record;
  bytes_under_way_ -= record.length;
  ThenAndNow& op = by_op_[static_cast<std::size_t>(record.op)];
  const std::uint64_t end = record.sent != 0 && is_topmost(*record.place) ? record.sent : record.done;
  op.then.add(end > record.start ? end - record.start : 0);
  op.now.add(again.done - again.begun);
  op.errors_then += record.result != 0 ? 1 : 0;
  op.errors_now += again.error != 0 ? 1 : 0;
  if (judge_ != nullptr) {
    payload_.clear();
    if (record.op == Op::read && record.payload != trace::PayloadKind::none) requests_.payload(record, payload_);
    judge_->finished(again, payload_);
  }
  if (again.error == 0 || record.result != 0) return;
  ++failed_;
  if (first_failed_ && first_failed_->number < again.number) return;
  again.bytes.clear();
  first_failed_ = again;
}

}  // namespace ashlar::host::traces
