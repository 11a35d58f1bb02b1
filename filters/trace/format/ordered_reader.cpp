#include "ordered_reader.hpp"

#include <algorithm>

namespace ashlar::trace {
namespace {

// Of what is read for the first time, only that it goes on is told.
class QuietListener : public Listener {
 public:
  explicit QuietListener(Listener& listener) : listener_(listener) {}
  void read(std::uint64_t bytes) override { listener_.read(bytes); }

 private:
  Listener& listener_;
};

}  // namespace

OrderedReader::OrderedReader(const std::string& path, Listener& listener, std::size_t window)
    : listener_(listener), file_(path, listener), window_(window) {
  for (const SegmentHeader& segment : file_.segments()) runs_.try_emplace(segment.run, runs_.size());
}

OrderedReader::OrderedReader(const OrderedReader& other, Listener& listener)
    : listener_(listener), file_(other.file_, listener), window_(other.window_), runs_(other.runs_), begun_(true) {}

OrderedReader::Key OrderedReader::key_of(const Record& record) const {
  const auto run = runs_.find(record.run);
  return {run != runs_.end() ? run->second : UINT64_MAX, record.start};
}

bool OrderedReader::next(Record& record) {
  if (!begun_) begin();
  // A straggler comes before the record of the window that it is older than.
  while (!heap_.empty()) {
    if (!stragglers_.empty() && key_of(stragglers_.back()) <= heap_.top().first) break;
    const Key before = given_;
    if (!next_of_window(record)) return false;
    if (key_of(record) >= before) return true;
    given_ = before;  // one of the stragglers, which has been given
  }
  if (stragglers_.empty()) return false;
  record = stragglers_.back();
  stragglers_.pop_back();
  return true;
}

void OrderedReader::begin() {
  begun_ = true;
  Record record;
  while (heap_.size() <= window_) {
    if (!file_.next(record)) {
      at_end_ = true;
      return;
    }
    heap_.emplace(key_of(record), record);
  }
  find_stragglers();
}

// Does once what next() will do, and keeps what comes out too late.
void OrderedReader::find_stragglers() {
  QuietListener quiet(listener_);
  OrderedReader first(*this, quiet);
  Record record;
  while (first.heap_.size() <= window_ && first.file_.next(record)) first.heap_.emplace(key_of(record), record);
  while (first.next_of_window(record)) {
    if (key_of(record) >= given_) given_ = key_of(record);
    else stragglers_.push_back(record);
  }
  for (Record& one : stragglers_) one.place = file_.known(*one.place);
  given_ = {};
  std::sort(stragglers_.begin(), stragglers_.end(), [this](const Record& a, const Record& b) {
    return std::tuple(key_of(a), a.position) > std::tuple(key_of(b), b.position);
  });
}

// The oldest one of the window, into which the next one of the file comes.
bool OrderedReader::next_of_window(Record& record) {
  if (heap_.empty()) return false;
  record = heap_.top().second;
  given_ = heap_.top().first;
  heap_.pop();
  Record more;
  if (at_end_ || !file_.next(more)) at_end_ = true;
  else heap_.emplace(key_of(more), more);
  return true;
}

}  // namespace ashlar::trace
