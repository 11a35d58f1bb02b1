#include "backend.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

using namespace ashlar;

namespace {

constexpr std::chrono::seconds for_a_try{10};  // to connect and shake hands
constexpr std::chrono::seconds just_now{2};
constexpr std::size_t enough = 32;  // requests under way keep one connection busy

Request::Time now() { return std::chrono::steady_clock::now(); }

}  // namespace

Backend::Backend(const Create& create)
    : settings_(create.params),
      host_(create.host),
      wait_(create.host),
      connects_(Metrics(create.host).counter("connects", "connections that were made to the server")),
      repeats_(Metrics(create.host).counter("repeats", "requests that were made again over another connection")),
      lost_flushes_(
          Metrics(create.host).counter("lost", "connections that were lost with writes that no flush covered")),
      user_(::geteuid()) {
  if (!settings_.command.empty()) command_ = std::make_unique<Command>(settings_.command, host_);
  for (unsigned i = 0; i < settings_.connections; ++i) links_.push_back(std::make_unique<Link>(*this, i));
}

Backend::~Backend() {
  for (const auto& link : links_) link->end();  // all of them, before one is waited for
  links_.clear();
  if (has_flush() && losses_.untold())
    host_.log(Level::error,
              "%s: the export ends before a flush has told that what was written before the connection was lost may "
              "be gone",
              settings_.shown.c_str());
  if (command_ && is_silent() && !losses_.unflushed()) command_->hurry();
}

bool Backend::is_silent() const noexcept { return now() - silent_at_.load() < just_now; }

Facts Backend::open(Purpose purpose) {
  be_the_same_user();
  {
    const std::lock_guard lock(mutex_);
    ++devices_;
    if (purpose == Purpose::client) ++clients_;
  }
  Request request;
  request.on_trial = purpose == Purpose::trial;
  request.deadline = now() + settings_.timeout;
  const int error = run(request);
  const std::unique_lock lock(mutex_);
  if (error == 0) {
    for (const auto& link : links_)
      if (!link->is_ready()) link->wake();
    return *facts_;
  }
  --devices_;
  if (purpose == Purpose::client) --clients_;
  const std::string why = last_error_.empty() ? "the server does not answer" : last_error_;
  throw BadParameter(settings_.at_fault(), settings_.shown + " cannot be reached: " + why, error);
}

void Backend::close(Purpose purpose) noexcept {
  const std::lock_guard lock(mutex_);
  --devices_;
  if (purpose == Purpose::client) --clients_;
}

// The server of which ashlar is a part may become another user after its start: who that is may not be let in. What
// was reached before says nothing of that.
void Backend::be_the_same_user() {
  {
    const std::lock_guard lock(mutex_);
    if (user_ == ::geteuid()) return;
    user_ = ::geteuid();
    for (const auto& link : links_) link->set_ready(false);
  }
  if (command_) command_->end_program();
  for (const auto& link : links_) link->reconnect();
}

int Backend::run(Request& request) noexcept {
  struct Asked {
    Backend& backend;
    Request& request;
  } asked{*this, request};
  try {
    Wait::Ticket ticket(wait_);
    request.ticket = &ticket;
    if (request.kind == Request::Kind::flush) request.covered = losses_.covered();
    give(request);
    ticket.on_cancel([](void* a) noexcept { static_cast<Asked*>(a)->backend.give_up(static_cast<Asked*>(a)->request); },
                     &asked);
    return static_cast<int>(ticket.wait());
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

// The first that is not busy, so that answers come many at a time; of busy ones the one with the fewest.
Link* Backend::pick(const Request& request) noexcept {
  if (request.kind == Request::Kind::flush) return oldest();
  Link* best = nullptr;
  for (const auto& link : links_) {
    if (!link->is_ready()) continue;
    if (link->load() < enough) return link.get();
    if (best == nullptr || link->load() < best->load()) best = link.get();
  }
  return best;
}

// A flush over it covers what was acknowledged over any. A newer one may lead to a server that has come in place of the
// one whose last answers over the older ones are still being taken: that has nothing of what they tell of.
Link* Backend::oldest() noexcept {
  Link* found = nullptr;
  for (const auto& link : links_)
    if (link->is_ready() && (found == nullptr || link->made_before() < found->made_before())) found = link.get();
  return found;
}

// [under mutex_]
bool Backend::any_ready() noexcept {
  return std::ranges::any_of(links_, [](const auto& link) { return link->is_ready(); });
}

void Backend::give(Request& request) noexcept {
  for (;;) {
    if (Link* const link = pick(request); link != nullptr) {
      if (request.kind == Request::Kind::connection) return finish(request, 0);
      if (link->submit(request)) return;
    }
    const std::lock_guard lock(mutex_);
    if (any_ready()) continue;
    if (request.given_up) return finish(request, ECANCELED);
    if (request.deadline == Request::Time{}) request.deadline = now() + settings_.timeout;
    if (request.deadline <= now()) return finish(request, ETIMEDOUT);
    try {
      waiting_.push_back(&request);
    } catch (const std::bad_alloc&) {
      return finish(request, ENOMEM);
    }
    // Who is slow to see it at a time when nobody is connected lets it wait for too long at most.
    links_.front()->wake(request.kind == Request::Kind::connection);
    return;
  }
}

// The time in which the server was there counts for nothing. Who has waited for a silent server has waited for one that
// was away.
void Backend::give_again(Request& request, Request::Time heard) noexcept {
  const Request::Time away_since = std::max(request.given, heard);
  if (request.deadline == Request::Time{}) request.deadline = away_since + settings_.timeout;
  else request.deadline += away_since - request.given;
  if (request.given_up) return finish(request, ECANCELED);
  if (request.deadline <= now()) return finish(request, ETIMEDOUT);
  repeats_.add();
  give(request);
}

// One that is under way keeps its memory until it is answered, or its connection is given up.
void Backend::give_up(Request& request) noexcept {
  request.given_up = true;
  {
    const std::lock_guard lock(mutex_);
    if (std::erase(waiting_, &request) != 0) return finish(request, ECANCELED);
  }
  if (Link* const link = request.link; link != nullptr) link->wake();
}

void Backend::finish(Request& request, int error) noexcept {
  if (error == 0 && request.kind == Request::Kind::read && !request.coverage.complete()) {
    host_.log(Level::error, "%s: read %u@%llu: the server has left out a part of the answer", settings_.shown.c_str(),
              request.length, static_cast<unsigned long long>(request.offset));
    error = EIO;
  }
  if (error == 0 && request.changes() && (request.flags & LIBNBD_CMD_FLAG_FUA) == 0) losses_.changed();
  if (error == 0 && request.kind == Request::Kind::flush) losses_.flushed(request.covered);
  request.ticket->done(error);
}

bool Backend::wants(unsigned number) noexcept {
  const std::lock_guard lock(mutex_);
  if (number == 0) return devices_ != 0;
  return clients_ != 0 && facts_ && facts_->multi_conn;
}

bool Backend::has_flush() noexcept {
  const std::lock_guard lock(mutex_);
  return facts_ && facts_->ops.has(Op::flush);
}

bool Backend::has_waiting() noexcept {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

void Backend::expire(Request::Time at) noexcept {
  fail_waiting([at](const Request& one) { return one.deadline <= at; }, ETIMEDOUT);
}

void Backend::fail_waiting(const std::function<bool(const Request&)>& fits, int error) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [&](Request* one) {
    if (!fits(*one)) return false;
    finish(*one, error);
    return true;
  });
}

// Nobody is bound to what the export was before when nobody has it open.
std::string Backend::accept(const Facts& facts) {
  const std::lock_guard lock(mutex_);
  std::string fault = fault_of(facts);
  const bool is_bound = facts_ && devices_ > std::ranges::count_if(waiting_, [](const Request* one) {
                                    return one->kind == Request::Kind::connection;
                                  });
  if (fault.empty() && is_bound) fault = fault_of_change(*facts_, facts);
  if (fault.empty()) facts_ = facts;
  return fault;
}

void Backend::reached(Link& link) noexcept {
  connects_.add();
  std::vector<Request*> ready;
  {
    const std::lock_guard lock(mutex_);
    last_error_.clear();
    link.set_made_before(made_++);
    link.set_ready(true);
    std::swap(ready, waiting_);
  }
  for (Request* const one : ready) give(*one);
}

void Backend::not_reached(unsigned number, const std::string& why, int error) noexcept {
  if (error == EIO)
    host_.log(Level::error,
              "%s: the server has come back with another disk: %s; requests fail until it is the one that it was",
              settings_.shown.c_str(), why.c_str());
  else
    host_.log(number == 0 ? Level::warn : Level::debug, "%s: cannot be reached: %s", settings_.shown.c_str(),
              why.c_str());
  if (number != 0) return;
  try {
    const std::lock_guard lock(mutex_);
    last_error_ = why;
  } catch (const std::bad_alloc&) {
    // It is in the log.
  }
  fail_waiting(
      [error](const Request& one) {
        if (error == ENOENT) return one.kind == Request::Kind::connection;
        return error == EIO || one.on_trial;
      },
      error);
}

void Backend::gone(Link& link) noexcept {
  const std::lock_guard lock(mutex_);
  link.set_ready(false);
}

void Backend::lost(const std::string& why) noexcept {
  const bool may_be_lost = losses_.lost();
  if (may_be_lost) lost_flushes_.add();
  const char* and_with_it = "";
  if (may_be_lost && has_flush())
    and_with_it = "; what was written since the last flush may be lost, the next flush of each client fails";
  else if (may_be_lost)
    and_with_it = "; what was written without FUA may be lost, the server has no flush that could tell";
  host_.log(Level::warn, "%s: the connection is lost: %s%s", settings_.shown.c_str(), why.c_str(), and_with_it);
}

void Backend::not_flushed(const char* why) noexcept {
  host_.log(Level::error, "%s: what was written since the last flush may be lost: the server does not flush it: %s",
            settings_.shown.c_str(), why);
}

std::unique_ptr<Handle> Backend::make_handle(const Waker& waker, std::function<std::string()> why_not, bool lists) {
  const auto until = now() + std::min<std::chrono::milliseconds>(settings_.timeout, for_a_try);
  if (command_) {
    const std::uint64_t run = command_->start();
    const Patience patience(waker, until, [this, run, &why_not] {
      const std::string why = why_not();
      return why.empty() ? command_->why_ended(run) : why;
    });
    return std::make_unique<Handle>(settings_, dial_unix(command_->socket(), patience), patience, lists);
  }
  const Patience patience(waker, until, std::move(why_not));
  const Uri& uri = *settings_.uri;
  const int socket = uri.socket.empty() ? dial_tcp(uri, settings_.timeout, patience) : dial_unix(uri.socket, patience);
  return std::make_unique<Handle>(settings_, socket, patience, lists);
}

// Where the '*' stands elsewhere, no server tells what could stand for it.
void Backend::list(const ExportsSink& sink) {
  if (!settings_.has_star()) return;
  try {
    const Waker waker;
    const auto why_not = [this] { return std::string(wait_.cancelled() ? "nobody waits for it any more" : ""); };
    bool goes_on = true;
    const Patience patience(waker, now() + for_a_try, why_not);
    make_handle(waker, why_not, true)
        ->list(
            [&](const char* name, const char* description) {
              const std::string star = settings_.star_in(name);
              if (!star.empty()) goes_on = goes_on && sink.add(star, description);
            },
            patience);
  } catch (const Unreachable& e) {
    throw BadParameter(settings_.at_fault(), settings_.shown + " cannot be asked for its exports: " + e.what(),
                       ENOTCONN);
  }
}
