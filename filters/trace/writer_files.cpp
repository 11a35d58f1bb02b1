// Which file a layer writes: what was there before, the ring, and where that goes.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "kept.hpp"
#include "last_patience.hpp"
#include "writer.hpp"

namespace ashlar::trace {
namespace {

constexpr std::uint64_t try_again_after = 1'000'000'000;  // nanoseconds
// A layer that a reload has replaced lets its file go soon, when no client is left on it. So long what comes is left in
// the rings, and the file is tried often.
constexpr std::uint64_t usual_patience = 5 * try_again_after;
constexpr std::uint64_t first_pause = 1'000'000;
constexpr std::uint64_t last_pause = 100'000'000;
// What is there is read each time.
constexpr std::uint64_t look_again_after = 10 * try_again_after;
constexpr const char* verb = "dump";
constexpr const char* empty_text = "no file is made, as no request was finished since the ring was begun";

// Which file stands at `path`, and of when: the same as long as nobody writes it.
std::string looks_of(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return {};
  return std::to_string(facts.st_dev) + ' ' + std::to_string(facts.st_ino) + ' ' + std::to_string(facts.st_size) + ' ' +
         std::to_string(facts.st_mtim.tv_sec) + '.' + std::to_string(facts.st_mtim.tv_nsec);
}

}  // namespace

void Writer::make_file() {
  FileWriter::Options options = settings_.file_options(run_);
  options.continues = continues_;
  if (settings_.wait) options.again = [this](int error) { return try_again(error); };
  try {
    options.append = keep_what_was_before();
    file_ = std::make_unique<FileWriter>(settings_.file(), options);
    if (const int error = file_->why_readable())
      host_.log(Level::warn, "trace: others than its owner may read %s, and that cannot be changed: %s",
                settings_.file().c_str(), std::strerror(error));
  } catch (const BeingWritten&) {
    const std::uint64_t now = monotonic_now();
    if (!std::exchange(was_taken_, true)) {
      held_until_ = now + patience();
      as_it_was_ = looks_of(settings_.file());
    }
    taken_pause_ = std::clamp(2 * taken_pause_, first_pause, last_pause);
    next_attempt_ = now + taken_pause_;
    throw;
  } catch (const MustStay&) {
    next_attempt_ = monotonic_now() + look_again_after;
    throw;
  }
}

// How long somebody else who has the file is waited for, nanoseconds. A layer that stops waits when it has something to
// write.
std::uint64_t Writer::patience() {
  if (!stop_.load()) return usual_patience;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (lost_ == 0 && taps_.empty()) return 0;
  end_last_wait();  // an attempt right before begin_to_stop() may have begun one
  waits_since_ = monotonic_now();
  return last_patience.begin(*waits_since_);
}

void Writer::end_last_wait() {
  if (waits_since_) last_patience.end(*waits_since_, monotonic_now());
  waits_since_.reset();
}

// The first reason for which the file cannot be made is told; it is tried again.
void Writer::open_file(std::uint64_t now) {
  next_attempt_ = now + try_again_after;
  waits_for_disk_ = false;
  try {
    make_file();
  } catch (const std::system_error& e) {
    not_made(e.code().value());
  } catch (const std::invalid_argument& e) {
    if (holds(monotonic_now())) return;
    if (said_ == 0) host_.log(Level::warn, "trace: %s; requests are not recorded until that is over", e.what());
    said_ = EBUSY;
  }
}

// Whether what comes stays in the rings until the file can be made.
bool Writer::not_made(int error) {
  next_attempt_ = monotonic_now() + try_again_after;
  waits_for_disk_ = waits(error);
  if (!waits_for_disk_) say(error);
  return waits_for_disk_;
}

void Writer::end() {
  if (said_ != 0 || gave_up_ || (file_ == nullptr && lost_in_all_ != 0))
    host_.log(Level::warn, "trace: %s ends; %llu requests have no record", settings_.file().c_str(),
              static_cast<unsigned long long>(lost_in_all_));
  if (file_ == nullptr) return;
  if (settings_.ring != 0 && has_begun() && triggers_.pending()) note_trigger();
  file_->end(std::exchange(lost_, 0));
  // While it is still locked, so that the next layer does not take what is moved or removed for its own.
  if (settings_.ring != 0 && file_->is_begun()) {
    if (owed_) move_ring();
    else if (file_->is_in_place()) ::unlink(settings_.file().c_str());
  }
  file_.reset();
}

std::string Writer::dump() {
  constexpr std::chrono::seconds patience{5};
  std::unique_lock<std::mutex> lock(mutex_);
  const std::uint64_t mine = ++dumps_asked_;
  wake();
  if (!answered_.wait_for(lock, patience, [&] { return gave_up_ || dumps_answered_ >= mine; }))
    throw std::runtime_error(
        "the thread that writes the trace does not answer: no client has come yet, or its disk hangs");
  if (gave_up_) throw std::runtime_error("nothing is recorded any more, as the log says");
  if (!dump_error_.empty()) throw std::runtime_error(dump_error_);
  return dump_answer_;
}

std::uint64_t Writer::dumps_asked() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return dumps_asked_;
}

// Behind the triggers that have come: one that is refused must not have taken the place of another.
void Writer::pull_for_dumps(std::uint64_t asked) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (asked != dumps_answered_ && settings_.ring != 0) triggers_.pull(verb);
}

// What has come of them.
void Writer::answer_dump(std::uint64_t asked, std::uint64_t now, bool was_empty, bool moved) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (asked == dumps_answered_) return;
  dump_error_.clear();
  if (was_empty) dump_answer_ = empty_text;
  else if (moved) dump_answer_ = "the ring is in " + moved_to_;
  else if (has_begun() && triggers_.pending())
    dump_answer_ = "the ring will be written out in " + std::to_string(triggers_.seconds_left(now)) +
                   " s, as one was written out less than 10 s ago";
  else if (held_ && !waits_for_disk_) dump_error_ = "somebody else still writes the file";
  else if (!has_begun()) dump_error_ = "nothing is recorded now, as the log says";
  else dump_error_ = why_not_;
  // Who was told that it cannot be done may ask again; a trigger that was there before has its turn later.
  if (!has_begun() && triggers_.pending() && triggers_.why() == verb) triggers_.drop();
  dumps_answered_ = asked;
  answered_.notify_all();
}

void Writer::note_trigger() {
  file_->triggered(0, triggers_.connection(), triggers_.why(), triggers_.id());
  owed_ = true;
}

// A trigger that comes before anything else has nothing to show, and does not keep others waiting. Whether it was one.
bool Writer::drop_trigger_of_empty_ring() {
  if (settings_.ring == 0 || file_ == nullptr || !empty_ || !triggers_.pending()) return false;
  host_.log(Level::info, "trace: %s: %s: %s", settings_.file().c_str(), triggers_.why().c_str(), empty_text);
  triggers_.drop();
  return true;
}

// Whether it is in another file now.
bool Writer::write_ring_out() {
  note_trigger();
  flush();
  if (!move_ring()) return false;
  file_.reset();
  continues_ = true;
  empty_ = true;
  open_file(monotonic_now());
  return why_not_.empty();
}

// False: it stays where it is, which has been said.
bool Writer::move_ring() {
  if (!file_->is_in_place()) {  // what stands there may be another server's
    why_not_ = "\"" + settings_.file() + "\" has been moved or removed: what was in it is not written out";
    host_.log(Level::warn, "trace: %s", why_not_.c_str());
    owed_ = false;
    return true;
  }
  try {
    moved_to_ = move_away();
    host_.log(Level::info, "trace: the ring is in %s: %s", moved_to_.c_str(), triggers_.why().c_str());
    owed_ = false;
    why_not_.clear();
    return true;
  } catch (const MustStay& e) {
    why_not_ = e.what();
    host_.log(Level::warn, "trace: %s", e.what());
    return false;
  }
}

// A ring that was not removed is of a server that was killed, or one that could not write it out. A trace without an
// end is of one that was killed. Returns whether to go on behind what is there: it is of this run, whose layer was made
// anew, or of somebody who wrote meanwhile. Throws MustStay.
bool Writer::keep_what_was_before() {
  if (settings_.append || is_written(settings_.file())) return true;
  const Before before = what_is_in(settings_.file());
  if (!before.has_records) return false;
  // Who had the file may have written nothing.
  const bool goes_on = (was_taken_ && looks_of(settings_.file()) != as_it_was_) || before.run == run_;
  if (settings_.ring == 0) {
    if (!goes_on && before.ended) return false;
    FileWriter::Options options = settings_.file_options(run_);
    options.append = true;
    if (goes_on && unfit(settings_.file(), options).empty()) return true;
  }
  const std::string to = move_away();
  host_.log(Level::info, "trace: the %s that %s is in %s", settings_.ring == 0 ? "trace" : "ring",
            goes_on ? "was written before" : "a server left when it died", to.c_str());
  return false;
}

// Throws MustStay.
std::string Writer::move_away() const {
  return trace::move_away(settings_.file(), settings_.path, settings_.ring == 0 ? 1 : 0, settings_.most_files());
}

}  // namespace ashlar::trace
