#include "writer.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <system_error>

#include "run.hpp"

namespace ashlar::trace {
namespace {

constexpr std::uint64_t millisecond = 1'000'000;
constexpr std::uint64_t second = 1000 * millisecond;
// Of a full disk a small write may go well and a larger one not: it is over when nothing has failed for so long.
constexpr std::uint64_t quiet = 10 * second;
// Without being woken it looks so often; a record is in the file soon after.
constexpr int look_every_ms = 100;
// So many events of one connection are taken out before it is another one's turn.
constexpr int most_events = 1 << 14;
// While nothing is taken out, connections that are gone leave so many bytes at most.
constexpr std::size_t most_left = 64 << 20;
constexpr std::size_t cost_of_one = 16 << 10;  // of a connection, beside what is in its ring
// Of one connection. A server has nowhere near as many replies under way.
constexpr std::size_t most_pending = 1 << 16;

// Connections send small events only, unless bytes are kept; then the memory is used only while it is full.
std::size_t ring_bytes(PayloadKind payload) {
  return payload == PayloadKind::data ? std::size_t{256} << 20 : std::size_t{1} << 20;
}

// Of a disk that is full or fails, which may be over some time; everything else is a mistake of who wrote the config.
bool is_of_disk(int error) { return error == ENOSPC || error == EDQUOT || error == EIO; }

int make_eventfd() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  return fd;
}

// A thread that is started meanwhile gets no signals: they are for the server's threads.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::sigdelset(&all, SIGRTMAX);  // by which the server has each thread enter its sandbox
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

Writer::Writer(const Settings& settings, const Host& host)
    : settings_(settings),
      host_(host),
      run_(this_run()),
      wake_fd_(make_eventfd()),
      written_(Metrics(host).counter("records_written", "requests that are in the trace")),
      dropped_(Metrics(host).counter("requests_dropped", "requests that are not, as it could not keep up")),
      triggers_(settings) {}

Writer::~Writer() {
  stop_.store(true);
  wake();
  if (thread_.joinable()) thread_.join();
  ::close(wake_fd_);
}

void Writer::begin() {
  try {
    make_file();
  } catch (const BeingWritten&) {  // as the layer before this one does, when a reload has made this one
    held_ = true;
  } catch (const MustStay& e) {
    said_ = EBUSY;
    host_.log(Level::warn, "trace: %s; requests are not recorded until that is over", e.what());
  } catch (const std::system_error& e) {
    const int error = e.code().value();
    if (!is_of_disk(error)) throw BadParameter("path", std::string("path: ") + e.what(), error);
    held_ = not_made(error);
  } catch (const std::invalid_argument& e) {
    throw BadParameter("path", std::string("path: ") + e.what());
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  start_thread();
}

// Once.
void Writer::start_thread() {
  if (thread_.joinable()) return;
  triggers_.listen();  // before anybody can know that the layer serves, so that no signal is lost
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

std::shared_ptr<Tap> Writer::open(const TextList& place, std::uint64_t connection, const TextList& client) {
  const auto tap = std::make_shared<Tap>(ring_bytes(settings_.payload));
  tap->connection = connection;
  tap->client.texts = client;
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto [number, added] = place_numbers_.try_emplace(place, static_cast<std::uint16_t>(places_.size()));
  if (added) places_.push_back(std::make_unique<Described>(Described{.texts = place}));
  tap->place = number->second;
  tap->place_texts = places_[tap->place].get();
  taps_.push_back(tap);
  start_thread();  // where nobody has said that it begins
  return tap;
}

// Waits until it is written, so that nothing of it stays behind, but no longer than a healthy disk takes.
void Writer::close(Tap& tap) noexcept {
  tap.closed.store(true, std::memory_order_release);
  wake();
  std::unique_lock<std::mutex> lock(mutex_);
  left_.wait_for(lock, std::chrono::seconds(1), [&] {
    return held_ || std::none_of(taps_.begin(), taps_.end(), [&tap](const auto& one) { return one.get() == &tap; });
  });
}

void Writer::wake() noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(::write(wake_fd_, &one, sizeof one) == sizeof one);  // when it is full, it has been woken
}

void Writer::pause() const {
  int pause_ms = look_every_ms;
  if (const std::uint64_t now = monotonic_now(); file_ == nullptr && next_attempt_ < now + look_every_ms * millisecond)
    pause_ms = next_attempt_ > now ? static_cast<int>((next_attempt_ - now) / millisecond) + 1 : 1;
  pollfd wait{wake_fd_, POLLIN, 0};
  ::poll(&wait, 1, pause_ms);
  std::uint64_t times = 0;
  static_cast<void>(::read(wake_fd_, &times, sizeof times) == sizeof times);
}

void Writer::run() noexcept {
  ::pthread_setname_np(::pthread_self(), "trace");
  // There may be no memory for the file's name.
  const char* const path = settings_.path.c_str();
  try {
    record_until_stopped();
  } catch (const std::exception& e) {
    host_.log(Level::error, "trace: %s: %s; requests are no longer recorded", path, e.what());
    give_up();
  }
  try {
    end();
  } catch (const std::exception& e) {
    host_.log(Level::error, "trace: %s: %s; the file has no end", path, e.what());
  }
}

void Writer::record_until_stopped() {
  bool stops = false;
  for (bool last = false; !last;) {
    last = stop_.load();
    if (last && !std::exchange(stops, true)) begin_to_stop();
    const bool more = turn(last);
    if (more || held_) last = false;
    if (!more && !last) pause();
  }
}

// The thread goes on until the layer stops, so that nobody waits for it: what comes is taken out and counted.
void Writer::give_up() noexcept {
  end_last_wait();
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    gave_up_ = true;
    held_ = false;
    answered_.notify_all();
  }
  next_attempt_ = UINT64_MAX;
  if (file_ != nullptr) {
    file_->forget();
    count_lost(file_->take_lost());
  }
  for (bool last = false; !last;) {
    last = stop_.load();
    const bool more = discard();
    if (more) last = false;
    else if (!last) pause();
  }
}

// Needs no memory. True: there is more.
bool Writer::discard() noexcept {
  bool more = false;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto at = taps_.begin(); at != taps_.end();) {
    const bool closed = (*at)->closed.load(std::memory_order_acquire);
    const bool tap_has_more = discard(**at);
    more |= tap_has_more;
    at = closed && !tap_has_more ? taps_.erase(at) : at + 1;
  }
  left_.notify_all();
  return more;
}

// Likewise, of one connection.
bool Writer::discard(Tap& tap) noexcept {
  std::uint64_t lost = 0;
  tap.pending.give_up(UINT64_MAX, [&lost](const Pending::One&) { ++lost; });
  int events = 0;
  while (const Ring::Event* const event = events < most_events ? tap.ring.front() : nullptr) {
    ++events;
    if (event->kind == event_done) ++lost;
    tap.ring.pop();
  }
  tap.ring.release();
  const std::uint64_t dropped = tap.dropped.load(std::memory_order_relaxed);
  count_lost(lost + dropped - std::exchange(tap.known_dropped, dropped));
  return events == most_events;
}

// With when_full = "wait" a request waits for the disk, but its client does not: who comes and goes meanwhile must not
// take all memory.
void Writer::limit_what_is_left() noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t left = 0;
  std::erase_if(taps_, [this, &left](const auto& tap) {
    if (tap->taken || !tap->closed.load(std::memory_order_acquire)) return false;
    const std::size_t bytes = tap->ring.capacity() - tap->ring.room() + cost_of_one;
    if (bytes <= most_left - left) {
      left += bytes;
      return false;
    }
    while (discard(*tap)) {
    }
    return true;
  });
}

// Whether what comes stays in the rings: somebody else has the file and may be about to let it go, or requests wait
// until the disk has room for it.
bool Writer::holds(std::uint64_t now) const { return file_ == nullptr && (waits_for_disk_ || now < held_until_); }

// The file is tried once more. When somebody else has it, they may stop, too, and it has to tell of what was lost.
void Writer::begin_to_stop() {
  next_attempt_ = 0;
  taken_pause_ = 0;
  held_until_ = was_taken_ ? monotonic_now() + patience() : 0;
}

// What stands at the path is changed when there is something to write, and may have been moved away since it was found
// there: it is somebody's then. Whether it was, so that there is none now.
bool Writer::leave_moved_file() {
  if (file_ == nullptr || file_->is_begun() || file_->is_in_place()) return false;
  file_.reset();
  next_attempt_ = 0;
  return true;
}

// True: there is more to take out.
bool Writer::turn(bool last) {
  const std::uint64_t now = monotonic_now();
  if (file_ == nullptr && now >= next_attempt_) open_file(now);
  triggers_.listen();
  const std::uint64_t dumps = dumps_asked();
  Taps taps;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    taps = taps_;
    held_ = holds(now);
    if (held_) taps.clear();
  }
  if (held_) limit_what_is_left();
  else end_last_wait();
  bool more = leave_moved_file();
  // It may be moved away, too, while requests wait for the disk.
  if (settings_.wait && file_ != nullptr && !taps.empty() && !file_->begin()) more = leave_moved_file();
  if (more) taps.clear();  // what they have goes to the next file
  for (const auto& tap : taps) tap->taken = true;
  for (auto& tap : taps) {
    const bool closed = tap->closed.load(std::memory_order_acquire) || last;
    const bool tap_has_more = drain(*tap);
    more |= tap_has_more;
    if (tap_has_more || !closed) tap.reset();  // it stays
    else finish(*tap);
  }
  flush();
  pull_for_dumps(dumps);
  const bool was_empty = drop_trigger_of_empty_ring();
  // While nothing is in the file, its turn is still to come.
  const bool moved = has_begun() && settings_.ring != 0 && triggers_.due(now) && write_ring_out();
  answer_dump(dumps, now, was_empty, moved);
  forget(std::move(taps));
  return more;
}

void Writer::finish(Tap& tap) {
  tap.pending.look_at(tap.replies);
  tap.pending.give_up(UINT64_MAX, [&](Pending::One& one) { write(tap, one.record, one.payload); });
  if (file_ != nullptr && tap.connection != 0) file_->gone(tap.place, tap.connection);
}

// Those that are null stay.
void Writer::forget(Taps finished) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& tap : finished)
    if (tap != nullptr) std::erase(taps_, tap);
  finished.clear();
  for (const auto& tap : taps_) tap->taken = false;
  left_.notify_all();
}

// True: there is more.
bool Writer::drain(Tap& tap) {
  if (file_ != nullptr && !std::exchange(tap.came, true))
    file_->came(tap.place, tap.connection, *tap.place_texts, tap.client);
  const std::uint64_t newest = tap.newest.load(std::memory_order_relaxed);
  if (newest - std::exchange(tap.known_newest, newest) > Replies::newest) tap.misses_replies = true;
  // Whose reply has left by now has put all that it has to tell into the ring.
  tap.pending.look_at(tap.replies);
  int events = 0;
  while (Ring::Event* const event = events < most_events ? tap.ring.front() : nullptr) {
    ++events;
    if (event->kind == event_done) {
      take_done(tap, *event);
    } else if (event->kind == event_tried) {
      Asked asked;
      std::memcpy(&asked, event->bytes(), sizeof asked);
      tap.pending.tried(asked);
    } else {
      Sent sent;
      std::memcpy(&sent, event->bytes(), sizeof sent);
      tap.pending.sent(sent, [&](Pending::One& one) { write(tap, one.record, one.payload); });
    }
    tap.ring.pop();
  }
  tap.ring.release();
  if (events != most_events) tap.pending.take_left([&](Pending::One& one) { write(tap, one.record, one.payload); });
  const std::uint64_t dropped = tap.dropped.load(std::memory_order_relaxed);
  count_lost(dropped - std::exchange(tap.known_dropped, dropped));
  give_up_some(tap);
  return events == most_events;
}

void Writer::take_done(Tap& tap, const Ring::Event& event) {
  empty_ = false;  // whether its reply has been told of or not
  Asked asked;
  std::memcpy(&asked, event.bytes(), sizeof asked);
  const auto kind = static_cast<PayloadKind>(asked.payload);
  const std::span<const std::byte> payload{event.bytes() + sizeof asked,
                                           static_cast<std::size_t>(payload_bytes(kind, asked.offset, asked.length))};
  // Of no client's request: nobody waits for a reply.
  const auto sent = asked.id != 0 ? tap.replies.find(asked.id) : std::optional(asked.done);
  // What was lent may come again.
  if (!sent || asked.lent_cold != 0 || tap.pending.repeats(asked)) return tap.pending.done(asked, payload, sent);
  RecordEntry record = tap.pending.record_of(asked);
  set_sent(record, *sent);
  write(tap, record, payload);
}

// Of those whose replies are not told of.
void Writer::give_up_some(Tap& tap) {
  const auto ready = [&](Pending::One& one) { write(tap, one.record, one.payload); };
  const std::uint64_t unseen = tap.unseen.load(std::memory_order_relaxed);
  if (unseen != std::exchange(tap.known_unseen, unseen)) tap.misses_replies = true;
  if (!tap.told.load(std::memory_order_relaxed) || tap.pending.size() > most_pending)
    return tap.pending.give_up(UINT64_MAX, ready);
  // Which replies they were is not known, but those under way will soon be told of.
  if (tap.misses_replies) tap.pending.give_up(monotonic_now() - second / 2, ready);
  if (tap.pending.size() == 0) tap.misses_replies = false;
}

void Writer::write(Tap& tap, RecordEntry record, std::span<const std::byte> payload) {
  record.connection = tap.connection;
  record.entry.place = tap.place;
  if (settings_.ring != 0) triggers_.look_at(record);  // also while there is no file: its turn comes then
  if (file_ == nullptr) return count_lost(1);
  file_->record(record, payload, *tap.place_texts, tap.client);
  ++new_records_;
  empty_ = false;
}

void Writer::count_lost(std::uint64_t requests) {
  if (requests == 0) return;
  empty_ = false;
  lost_ += requests;
  lost_in_all_ += requests;
  dropped_.add(static_cast<double>(requests));
}

void Writer::flush() {
  if (file_ == nullptr) return;
  const bool well = file_->flush();
  // Also of what was written while it came together, when much did; a small write may go well behind a large one.
  const std::uint64_t lost = file_->take_lost();
  if (new_records_ != lost) written_.add(static_cast<double>(new_records_ - lost));
  new_records_ = 0;
  count_lost(lost);
  if (lost != 0 || !well) say(file_->error());
  if (!well) return;
  if (const std::uint64_t told = lost_; told != 0) {
    if (!file_->lost(0, told) || !file_->flush()) return say(file_->error());
    lost_ -= told;  // more may have been lost while it waited for the disk
  }
  if (said_ == 0) lost_in_all_ = 0;
  else if (monotonic_now() - failed_ > quiet) say_over();
}

void Writer::say_over() {
  said_ = 0;
  host_.log(Level::warn, "trace: %s is written again; %llu requests have no record", settings_.file().c_str(),
            static_cast<unsigned long long>(std::exchange(lost_in_all_, 0)));
}

// With when_full = "wait": the writer waits for the disk, and requests for the writer.
bool Writer::try_again(int error) {
  if (!waits(error)) return false;
  limit_what_is_left();
  std::this_thread::sleep_for(std::chrono::milliseconds(look_every_ms));
  return true;
}

// False: the layer stops, and what that means is said by who asked to write; or it does not wait.
bool Writer::waits(int error) {
  if (!settings_.wait || stop_.load()) return false;
  say(error, "requests wait until it can");
  return true;
}

void Writer::say(int error, const char* meanwhile) {
  failed_ = monotonic_now();
  if (said_ == 0)
    host_.log(Level::warn, "trace: cannot write to %s: %s; %s", settings_.file().c_str(), std::strerror(error),
              meanwhile);
  said_ = error;
}

}  // namespace ashlar::trace
