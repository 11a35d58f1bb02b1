#include "link.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "backend.hpp"

namespace {

constexpr std::chrono::milliseconds first_delay{50}, longest_delay{5000};
constexpr std::chrono::milliseconds tick{100};        // how late it may be seen that a request has waited for too long
constexpr std::chrono::milliseconds slow_tick{1000};  // likewise, that the server is silent
constexpr std::chrono::milliseconds for_a_flush{2000};  // and a goodbye
constexpr std::chrono::milliseconds grace{500};         // for a server to answer what nobody waits for any more
constexpr std::chrono::seconds long_enough{1};          // a connection that holds so long was worth it

std::chrono::milliseconds delay_before(unsigned tries) {
  return tries == 0 ? std::chrono::milliseconds(0)
                    : std::min(longest_delay, first_delay * (1 << std::min(tries - 1, 10u)));
}

}  // namespace

Link::Link(Backend& backend, unsigned number) : backend_(backend), number_(number) {
  thread_ = std::thread([this] { run(); });
}

Link::~Link() {
  end();
  thread_.join();
}

bool Link::submit(Request& request) noexcept {
  request.link = this;
  request.given = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (!open_) return false;
    try {
      new_.push_back(&request);
    } catch (const std::bad_alloc&) {
      backend_.finish(request, ENOMEM);
      return true;
    }
    if (load_ == 0) busy_since_ = request.given;  // before it can be seen that there is one
    load_.fetch_add(1);
  }
  if (sleeps_.exchange(false)) waker_.wake();  // somebody has to see that no answer comes
  pump();
  return true;
}

// Who finds the turn taken may go: its holder looks for new requests again when he has given it back.
void Link::pump() noexcept {
  for (;;) {
    if (!turn_.try_take()) return;
    send_new();
    const bool is_blocked = handle_ != nullptr && (handle_->is_over() || (handle_->events() & POLLOUT) != 0);
    turn_.give_back();
    if (is_blocked) waker_.wake();
    const std::lock_guard lock(mutex_);
    if (new_.empty() || !open_) return;
  }
}

// [who has the turn, as are the next three]
void Link::send_new() noexcept {
  {
    const std::lock_guard lock(mutex_);
    std::swap(new_, taken_);
  }
  for (Request* const request : taken_) start(*request);
  taken_.clear();
}

void Link::start(Request& request) noexcept {
  try {
    request.place = under_way_.size();
    under_way_.push_back(&request);
  } catch (const std::bad_alloc&) {
    load_.fetch_sub(1, std::memory_order_relaxed);
    return backend_.finish(request, ENOMEM);
  }
  if (handle_ == nullptr || handle_->is_over()) return;  // it is lost with the others
  const int error = handle_->send(request, &answered);
  if (error == 0 || handle_->is_over()) return;
  forget(request);
  backend_.finish(request, error);
}

void Link::forget(Request& request) noexcept {
  under_way_[request.place] = under_way_.back();
  under_way_[request.place]->place = request.place;
  under_way_.pop_back();
  load_.fetch_sub(1, std::memory_order_relaxed);
}

// A server that stops says so; what it has not done is asked of the next one.
int Link::answered(void* of, int* error) noexcept {
  Request& request = *static_cast<Request*>(of);
  Link& me = *request.link.load(std::memory_order_relaxed);
  if (*error == ESHUTDOWN) me.server_stops_ = true;
  if (*error == ENOTCONN || *error == ESHUTDOWN) return 1;
  me.has_answered_ = true;
  me.forget(request);
  me.backend_.finish(request, *error);
  return 1;
}

void Link::wake(bool hurries) noexcept {
  if (hurries) hurries_ = true;
  waker_.wake();
}

void Link::reconnect() noexcept {
  drops_ = true;
  waker_.wake();
}

void Link::end() noexcept {
  ends_ = true;
  waker_.wake();
}

void Link::run() noexcept {
  while (!ends_) {
    pause();
    if (ends_ || !connect()) continue;
    serve();
  }
}

// Until a connection is wanted, and it is time for the next try.
void Link::pause() noexcept {
  while (!ends_) {
    const Time now = std::chrono::steady_clock::now();
    backend_.expire(now);
    const bool wanted = backend_.wants(number_);
    if (wanted && (hurries_.exchange(false) || now >= next_try_)) return;
    const bool has_waiting = backend_.has_waiting();
    waker_.wait(-1, 0,
                wanted        ? std::min(next_try_, now + tick)
                : has_waiting ? now + tick
                              : now + std::chrono::hours(1));
  }
}

bool Link::connect() noexcept {
  drops_ = false;
  std::string why;
  int error = ENOTCONN;
  try {
    auto made = backend_.make_handle(waker_, [this] {
      backend_.expire(std::chrono::steady_clock::now());
      return ends_ ? std::string("the export ends") : std::string();
    });
    why = backend_.accept(made->facts());
    if (!why.empty()) {
      error = EIO;
    } else {
      turn_.take();
      handle_ = std::move(made);
      server_stops_ = has_answered_ = false;
      turn_.give_back();
    }
  } catch (const std::bad_alloc&) {
    why = "out of memory";
  } catch (const NoExport& e) {
    why = e.what();
    error = ENOENT;
  } catch (const std::exception& e) {
    why = e.what();
  }
  connected_ = std::chrono::steady_clock::now();
  next_try_ = connected_ + delay_before(++tries_);
  if (!why.empty()) {
    if (!ends_) backend_.not_reached(number_, why, error);
    return false;
  }
  heard_ = connected_;
  given_up_since_ = {};
  {
    const std::lock_guard lock(mutex_);
    open_ = true;
  }
  backend_.reached(*this);
  return true;
}

void Link::serve() noexcept {
  Time looked{};
  for (;;) {
    if (ends_ || drops_) return hang_up();
    turn_.take();
    const short events = handle_->events();
    const bool is_over = handle_->is_over();
    turn_.give_back();
    pump();
    if (is_over) return lost(std::string(handle_->why_over()));
    const short ready = wait_for_answers(events);
    const Time now = std::chrono::steady_clock::now();
    if (ready != 0) {
      if (!take_answers(ready, now)) return lost("the server stops");
      if (now - looked < tick) continue;
    }
    looked = now;
    if (const char* const why = fault_of_silence(now); why != nullptr) {
      backend_.set_silent();
      return lost(why);
    }
  }
}

// Nobody is woken when a request is sent while this waits, so it waits without end only when there was none for a
// while.
short Link::wait_for_answers(short events) noexcept {
  const bool is_unwanted = given_up_since_ != Time{};
  const auto longest = is_unwanted ? tick : std::min(slow_tick, backend_.settings().timeout);
  const Time now = std::chrono::steady_clock::now();
  const bool is_idle = load() == 0 && now - silent_since() > longest;
  sleeps_ = is_idle;
  const bool sleeps = is_idle && load_ == 0;  // in this order: who submits adds to load_, and looks at sleeps_ then
  Time until = now + (sleeps ? std::chrono::hours(1) : longest);
  if (load_ != 0) until = std::min(until, silent_since() + backend_.settings().timeout);
  const short ready = waker_.wait(handle_->fd(), events, until);
  sleeps_ = false;
  return ready;
}

// False: the server has said that it stops. That the connection has ended is no sign of life.
bool Link::take_answers(short ready, Time now) noexcept {
  turn_.take();
  handle_->move(ready);
  if (!handle_->is_over()) heard_ = now;
  send_new();
  const bool stops = server_stops_;
  turn_.give_back();
  return !stops;
}

// Since when it owes an answer and has said nothing, if it owes one.
Request::Time Link::silent_since() const noexcept { return std::max(heard_, busy_since_.load()); }

// Why the connection is to be given up: libnbd gives back the memory of a request in no other way. Null: it is not.
const char* Link::fault_of_silence(Time now) noexcept {
  if (load_ == 0) return nullptr;
  if (now - silent_since() >= backend_.settings().timeout) return "the server has been silent for the whole timeout";
  const bool unwanted = is_unwanted();
  if (!unwanted) given_up_since_ = {};
  else if (given_up_since_ == Time{}) given_up_since_ = now;
  return unwanted && now - given_up_since_ >= grace ? "nobody waits any more for what it does not answer" : nullptr;
}

// Whether nobody waits for what is under way. Where others may still flush what they wrote, that a client has gone,
// which has only read, is no reason to make them believe that it is lost; that a change is given up means that the
// server stops.
bool Link::is_unwanted() noexcept {
  turn_.take();
  const bool none =
      !under_way_.empty() && std::ranges::all_of(under_way_, [](const Request* r) { return r->given_up.load(); });
  const bool stops = std::ranges::any_of(under_way_, [](const Request* r) { return r->changes(); });
  turn_.give_back();
  return none && (stops || !backend_.losses().unflushed());
}

void Link::close() noexcept {
  backend_.gone(*this);
  const std::lock_guard lock(mutex_);
  open_ = false;
}

// Requests are under way only where the server is to be reached anew, as another user.
void Link::hang_up() noexcept {
  close();
  if (load() != 0) return lost("the connection is made anew");
  turn_.take();
  const std::unique_ptr<Handle> handle = std::move(handle_);
  turn_.give_back();
  const bool flushes = backend_.losses().unflushed();
  if (!flushes && backend_.is_silent()) return;  // nothing is lost without a goodbye
  const Time until = std::chrono::steady_clock::now() + (flushes ? for_a_flush : grace);
  const Patience patience(waker_, until, [] { return std::string(); });
  if (flushes && !flush_last(*handle, patience)) return;  // its end would still be told of
  try {
    handle->say_goodbye(patience);
  } catch (const std::exception&) {
    // It ends without.
  }
}

bool Link::flush_last(Handle& handle, const Patience& patience) noexcept {
  Losses& losses = backend_.losses();
  const std::uint64_t covered = losses.covered();
  try {
    handle.flush(patience);
    losses.flushed(covered);
    return true;
  } catch (const std::exception& e) {
    // Over another connection it may have succeeded.
    if (losses.unflushed()) backend_.not_flushed(e.what());
    return false;
  }
}

// It is told before no flush comes this way any more: one that went another way might succeed meanwhile.
void Link::lost(const std::string& why) noexcept {
  backend_.lost(why);
  close();
  turn_.take();
  send_new();  // what has come meanwhile
  handle_.reset();
  std::vector<Request*> left;
  std::swap(left, under_way_);
  load_ = 0;
  turn_.give_back();
  const Time now = std::chrono::steady_clock::now();
  if (now - connected_ >= long_enough) tries_ = 0;
  else if (has_answered_) tries_ = 1;
  next_try_ = now + delay_before(tries_);
  for (Request* const one : left) backend_.give_again(*one, heard_);
}
