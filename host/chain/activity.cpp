#include "chain/activity.hpp"

#include <algorithm>
#include <ashlar/ops.hpp>
#include <cstdio>
#include <tuple>

#include "config/text.hpp"

namespace ashlar::host {
namespace {
using Clock = std::chrono::steady_clock;
}

const char* name(Call call) {
  switch (call) {
    case Call::load: return "load";
    case Call::create: return "create";
    case Call::open: return "open";
    case Call::describe: return "describe";
    case Call::replied: return "replied";
    case Call::close: return "close";
    case Call::destroy: return "destroy";
    case Call::unload: return "unload";
    case Call::verb: return "verb";
    case Call::list: return "list";
    case Call::begin: return "begin";
  }
  return name(static_cast<Op>(call));
}

// A thread's note, and the activity it is enlisted with. It is struck off when the thread ends.
class Activity::OfThread {
 public:
  ~OfThread() { leave(); }
  Note& join(std::shared_ptr<Activity> activity) {
    leave();
    activity_ = std::move(activity);
    return note_;
  }

 private:
  void leave() {
    detail::this_threads_note = nullptr;
    if (activity_) activity_->strike(note_);
  }

  std::shared_ptr<Activity> activity_;
  Note note_;
};

constinit thread_local Note* detail::this_threads_note = nullptr;

Note& Activity::enlist() {
  static thread_local OfThread of_thread;
  Note& note = of_thread.join(shared_from_this());
  enlist(note);
  detail::this_threads_note = &note;
  return note;
}

void Activity::enlist(Note& note) {
  const std::lock_guard<std::mutex> lock(mutex_);
  note.activity_ = this;
  note.previous_ = nullptr;
  note.next_ = first_;
  if (first_ != nullptr) first_->previous_ = &note;
  first_ = &note;
}

void Activity::strike(Note& note) {
  const std::lock_guard<std::mutex> lock(mutex_);
  (note.previous_ != nullptr ? note.previous_->next_ : first_) = note.next_;
  if (note.next_ != nullptr) note.next_->previous_ = note.previous_;
}

// Who looks at names has the mutex, so that one goes only when nobody does: see under_way().
std::shared_ptr<const LayerName> Activity::keep(LayerName layer) {
  return {new LayerName(std::move(layer)), [self = shared_from_this()](const LayerName* name) {
            const std::lock_guard<std::mutex> lock(self->mutex_);
            delete name;
          }};
}

std::vector<Activity::UnderWay> Activity::under_way() {
  std::vector<UnderWay> all;
  const Clock::time_point now = Clock::now();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Note* note = first_; note != nullptr; note = note->next_) {
    if (!note->inside()) continue;
    const std::uint64_t turn = note->turns_.load(std::memory_order_relaxed);
    if (note->seen_turn_ != turn) {
      note->seen_turn_ = turn;
      note->seen_at_ = now;
    }
    const Note::Doing doing = note->read();
    const Clock::rep since = note->since_.load(std::memory_order_relaxed);
    const Clock::time_point start = since == 0 ? note->seen_at_ : Clock::time_point(Clock::duration(since));
    all.push_back({.exported = doing.layer->exported,
                   .layer = doing.layer->layer,
                   .call = ashlar::host::name(doing.call),
                   .offset = doing.offset,
                   .length = doing.length,
                   .time = std::chrono::duration_cast<std::chrono::milliseconds>(now - start),
                   .at_least = since == 0});
  }
  return all;
}

std::string describe(const Activity::UnderWay& call) {
  std::string text = "export " + in_quotes(call.exported) + ": " + call.layer + ": " + call.call;
  if (call.length != 0) text += ", offset " + std::to_string(call.offset) + ", length " + std::to_string(call.length);
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.1f", static_cast<double>(call.time.count()) / 1000);
  return text + ": under way for " + (call.at_least ? "at least " : "") + seconds + " s";
}

std::vector<std::string> describe(std::vector<Activity::UnderWay> calls) {
  const auto kind = [](const Activity::UnderWay& call) { return std::tie(call.exported, call.layer, call.call); };
  std::stable_sort(calls.begin(), calls.end(), [&](const auto& a, const auto& b) {
    return std::tuple(kind(a), -a.time) < std::tuple(kind(b), -b.time);
  });
  std::vector<std::string> lines;
  for (auto first = calls.begin(); first != calls.end();) {
    const auto end = std::find_if(first, calls.end(), [&](const auto& call) { return kind(call) != kind(*first); });
    lines.push_back(describe(*first));
    const auto others = end - first - 1;
    if (others == 1) lines.back() += ", and one more such call";
    if (others > 1) lines.back() += ", and " + std::to_string(others) + " more such calls";
    first = end;
  }
  return lines;
}

FiberNote::FiberNote(std::shared_ptr<Activity> activity) : activity_(std::move(activity)) { activity_->enlist(note_); }

FiberNote::~FiberNote() { activity_->strike(note_); }

Inside::Inside(Activity& activity, const LayerName& layer, Call call, std::uint64_t offset, std::uint64_t length,
               std::optional<Clock::time_point> since, Cancellation* cancellation)
    : note_(activity.note()), before_(note_.read()), outermost_(!note_.inside()) {
  note_.write({&layer, call, offset, length});
  if (!outermost_) return;
  note_.cancellation_ = cancellation;
  note_.since_.store((since ? *since : Clock::now()).time_since_epoch().count(), std::memory_order_relaxed);
  note_.turn();
}

Inside::~Inside() {
  if (outermost_) {
    note_.cancellation_ = nullptr;
    note_.turn();
    note_.since_.store(0, std::memory_order_relaxed);
  } else {
    note_.write(before_);
  }
}

}  // namespace ashlar::host
