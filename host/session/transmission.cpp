#include "session/transmission.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/errors.hpp"

namespace ashlar::host {
namespace {

using namespace protocol;
using Wait = Socket::Wait;

// So many replies go out before the rest of their batch is served, if the client may have a core of its own.
constexpr unsigned early_replies = 8;
// How long requests that still come are answered with ESHUTDOWN when the server stops.
constexpr std::chrono::seconds refusing_time{1};

// Requests that cost no thread while they wait: so many of a client run at once, if its export does not say how many it
// gains from; and never more than the most.
constexpr unsigned usual_on_fibers = 1024, most_on_fibers = 4096;

// A request of a serial export waits for its turn on a thread.
bool runs_on_fibers(const Chain& chain) { return chain.parks() && !chain.exported().serial(); }

// How many requests of one client run at once: as many as its export gains from, if it says so.
unsigned width_for(const Chain& chain, const Workers& workers) {
  if (chain.exported().serial()) return 1;
  const std::uint32_t depth = chain.geometry().depth;
  if (runs_on_fibers(chain)) return depth != 0 ? std::min(depth, most_on_fibers) : usual_on_fibers;
  return std::min(workers.most(), depth != 0 ? depth : Jobs::usual_under_way);
}

}  // namespace

Transmission::Transmission(Chain& chain, const Agreement& agreement, const Connection& connection, const Server& server)
    : socket_(connection.socket),
      waiter_(connection.waiter),
      memory_(connection.memory),
      inbox_(connection.inbox),
      stopping_(connection.stopping),
      server_(server),
      ledger_(chain, connection.who),
      runner_(chain, agreement, server.max_payload, server.repeats),
      outlet_(socket_, server.workers, memory_, connection.waits_to_send),
      replies_(outlet_, memory_, ledger_, held_),
      manners_(memory_, inbox_, replies_, outlet_),
      jobs_({.runner = runner_,
             .outlet = outlet_,
             .memory = memory_,
             .waiter = waiter_,
             .ledger = ledger_,
             .executor = server.executor,
             .workers = server.workers,
             .fibers = runs_on_fibers(chain) ? &fibers_.emplace(Fibers::Needs{.stacks = server.stacks,
                                                                              .memory = memory_,
                                                                              .waiter = waiter_,
                                                                              .outlet = outlet_,
                                                                              .executor = server.executor,
                                                                              .workers = server.workers},
                                                                chain.exported().activity().shared_from_this())
                                             : nullptr,
             .stopping = stopping_},
            width_for(chain, server.workers)),
      sends_files_(socket_.can_send_files()) {}

// What there is only while run() runs: a ring belongs to the thread that uses it, and a client that idles is not
// active.
class Transmission::Running {
 public:
  explicit Running(Transmission& of) : of_(of) {
    const Server& server = of.server_;
    of.poller_.emplace(server.clients, server.busy_poll);
    of.ring_.emplace(server.no_io_uring);
    of.cold_.emplace(*of.ring_, of.runner_, of.outlet_, of.memory_, of.ledger_);
    of.waiter_.serve_meanwhile(&*of.ring_, &*of.cold_);
    if (of.fibers_) of.fibers_->use(&*of.ring_);
    of.manners_.include(&*of.cold_, &of.jobs_, of.fibers_ ? &*of.fibers_ : nullptr);
  }
  ~Running() {
    of_.jobs_.give_kept_back();
    if (of_.fibers_) of_.fibers_->drop_those_at_rest();  // the next time it may be another thread's
    of_.manners_.include(nullptr, nullptr, nullptr);
    of_.waiter_.serve_meanwhile(nullptr, nullptr);
    of_.cold_.reset();
    if (of_.fibers_) of_.fibers_->use(nullptr);
    of_.ring_.reset();
    of_.poller_.reset();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Transmission& of_;
};

// The path of a request: received, many at a time; served at once if it cannot block, else by a worker or put aside
// while it waits; replies sent many at a time; then the wait for more.
Transmission::Outcome Transmission::run() {
  const Running running(*this);
  for (;;) {
    const Step last = serve_received();
    if (last == Step::needs_more && try_hold_reply()) continue;
    send_replies();
    if (last == Step::disconnect) return end("disconnected");
    if (last == Step::out_of_step) return end("wrong request magic");
    if (is_stopping()) return end("the server stops");
    if (!wait_and_receive()) return end(why_closed());
    if (nothing_to_do() && manners_.before_rest()) return Outcome::idle;
  }
}

// ---- Serve ----

// Serves the requests that have been received whole, and those that were left undone. Returns why it serves no more.
Transmission::Step Transmission::serve_received() {
  for (;;) {
    repeat_undone();
    const Step last = serve_all_there_is();
    // While it waited it may have left more undone.
    if (last != Step::needs_more || cold_->undone().empty() || !inbox_.can_give_large_back()) return last;
  }
}

Transmission::Step Transmission::serve_all_there_is() {
  Step step;
  do step = serve_next();
  while (step == Step::served);
  return step;
}

Transmission::Step Transmission::serve_next() {
  if (!finish_draining() || inbox_.unread().size() < request_size) return Step::needs_more;
  Asked asked;
  if (!decode_request(inbox_.unread().data(), asked.request)) return Step::out_of_step;
  asked.arrived = received_at_;
  asked.verdict = admit(asked.request, runner_.admission());
  if (asked.verdict.kind == Verdict::Kind::disconnect) return Step::disconnect;
  if (is_stopping()) asked = refused_at_end(asked);

  std::size_t whole = request_size;
  const bool runs = asked.verdict.kind == Verdict::Kind::run;
  if (runs) whole += asked.verdict.payload;
  if (inbox_.unread().size() < whole) {
    inbox_.expect(whole);  // if that fails, so does the next receive
    return Step::needs_more;
  }
  asked.id = ids_.next();
  ledger_.begun(asked);
  if (!runs && asked.verdict.payload != 0) {
    draining_ = asked;
    to_drain_ = asked.verdict.payload;
  } else if (!runs) {
    settle(asked);
  } else if (asked.verdict.payload != 0 || !outlet_.broken()) {
    // Of a client that has gone only what it wrote is carried out: there may be gigabytes of the rest.
    serve(asked);
  } else {
    drop(asked);
  }
  inbox_.consume(whole);
  manners_.between_requests();
  reply_early(asked);
  return Step::served;
}

// Throws away the payload of a write that is refused; false: more of it is to come. The reply follows it, as clients do
// not look for the reply to a request that they are still sending.
bool Transmission::finish_draining() {
  if (!draining_) return true;
  const std::size_t n = std::min<std::uint64_t>(to_drain_, inbox_.unread().size());
  inbox_.consume(n);
  to_drain_ -= n;
  if (to_drain_ != 0) return false;
  Asked asked = *std::exchange(draining_, std::nullopt);
  asked.arrived = received_at_;
  settle(asked);
  return true;
}

void Transmission::settle(const Asked& asked) {
  std::byte* const at = replies_.room(runner_.reply_bytes(asked));
  if (at != nullptr) laid_out(asked, runner_.settle(asked, at));
  else drop(asked);
}

// Its client is not there to be answered.
void Transmission::drop(const Asked& asked) {
  const Asked in_vain = asked.verdict.kind == Verdict::Kind::run ? refused_at_end(asked) : asked;
  ledger_.finished(in_vain, in_vain.verdict.error, Ledger::By::session, Ledger::ReplyIs::dropped);
}

// Behind each wait for memory, which may have moved what was received.
void Transmission::find_payload(Asked& asked) const {
  if (asked.verdict.payload != 0) asked.payload = inbox_.unread().data() + request_size;
}

void Transmission::serve(Asked& asked) {
  if (!runner_.can_nowait()) return hand_over(asked);
  if (serve_without_memory(asked)) return;
  std::byte* const at = replies_.room(runner_.reply_bytes(asked));
  if (at == nullptr) return settle(refused_at_end(asked));
  find_payload(asked);
  follow_up(asked, runner_.run(asked, at, shortcuts()));
}

// A large read whose data need not pass through here claims no memory for them. False: it has to run as others do.
bool Transmission::serve_without_memory(const Asked& asked) {
  const bool large = asked.verdict.op == Op::read && runner_.reply_bytes(asked) > BufferPool::usual_capacity;
  if (!large || !shortcuts().has(Flag::may_lend)) return false;
  std::byte* const at = replies_.room(RequestRunner::lend_bytes);
  if (at == nullptr) return false;
  const Reply reply = runner_.try_lend(asked, at);
  if (reply.kind == Reply::Kind::would_block) return false;
  follow_up(asked, reply);
  return true;
}

void Transmission::follow_up(const Asked& asked, const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::ready: return laid_out(asked, reply);
    case Reply::Kind::lent: return sends_files_ ? serve_lent(asked, reply) : serve_cold(asked, reply);
    case Reply::Kind::cold: return serve_cold(asked, reply);
    case Reply::Kind::would_block: return hand_over(asked);
  }
}

// What is lent has to be sent, or read, from its file; else a layer had better copy it at once.
Flags Transmission::shortcuts() const {
  const bool can_borrow = sends_files_ || !server_.no_io_uring.load(std::memory_order_relaxed);
  return can_borrow ? Flag::nowait | Flag::may_lend | Flag::may_lend_cold : Flags(Flag::nowait);
}

void Transmission::laid_out(const Asked& asked, const Reply& reply) {
  replies_.add(reply.bytes);
  held_.answered(asked.verdict.kind == Verdict::Kind::run ? asked.verdict.payload : 0);
  ledger_.finished(asked, reply.error, Ledger::By::session, Ledger::ReplyIs::laid_out);
}

// The data are read by the ring while other requests run: they are on the disk, or in memory where they cannot be sent
// from. What was laid out for them is not used.
void Transmission::serve_cold(const Asked& asked, const Reply& reply) {
  if (cold_->full()) {
    manners_.before_work();
    waiter_.until([this] { return !cold_->full(); });
  }
  if (!cold_->start(asked, reply.fd, reply.fd_offset)) hand_over(asked);
}

// The data go from the page cache to the socket without passing through here, behind all replies laid out before.
void Transmission::serve_lent(const Asked& asked, const Reply& reply) {
  replies_.add(reply.bytes);
  if (ring_->any()) ring_->look();  // what was begun is not to wait for the client to take all this
  const auto [error, left] =
      replies_.send_with_file(reply.fd, reply.fd_offset, asked.request.length, runner_.structured());
  // There is room: all has just been sent.
  const std::size_t tail = runner_.lent_tail(asked, replies_.room(max_error_size), error);
  replies_.add(tail);
  const auto reply_is = !left       ? Ledger::ReplyIs::dropped
                        : tail == 0 ? Ledger::ReplyIs::sent
                                    : Ledger::ReplyIs::laid_out;
  ledger_.finished(asked, wire_error(error, false), Ledger::By::session, reply_is);
}

// To Jobs. What is ready goes out first if that means to wait.
void Transmission::hand_over(Asked asked) {
  if (held_.may_wait()) send_replies();  // a worker may take long
  find_payload(asked);
  Pin payload;
  if (asked.verdict.payload != 0) payload = inbox_.pin();
  if (jobs_.try_start(asked, payload)) return;
  manners_.before_work();
  if (!jobs_.start(asked, payload)) settle(refused_at_end(asked));
}

// Hands reads from the disk that were not read whole to Jobs. Before requests are served, which see to the inbox's
// room anew.
void Transmission::repeat_undone() {
  std::vector<Asked>& undone = cold_->undone();
  while (!undone.empty()) {
    const Asked asked = undone.back();
    Pin none;
    if (jobs_.try_start(asked, none)) {
      undone.pop_back();
      continue;
    }
    if (!inbox_.can_give_large_back()) return;  // start() may wait for memory, which who holds some must not: later
    undone.pop_back();
    hand_over(asked);
  }
}

// ---- Reply ----

void Transmission::send_replies() {
  served_since_sending_ = 0;
  replies_.send();
}

// A client that sleeps until it has replies wakes, and asks for more, while the rest of the batch is served. Not for
// writes: such a client would send what it writes in smaller pieces, which costs both more.
void Transmission::reply_early(const Asked& asked) {
  if (asked.verdict.payload != 0 || ++served_since_sending_ < early_replies) return;
  if (server_.clients.cores_to_spare()) send_replies();
  served_since_sending_ = 0;
}

// Whether the reply laid out last waits for more requests, which have been received then. See HeldReply.
bool Transmission::try_hold_reply() {
  const bool may_wait = held_.may_wait() && replies_.size() <= simple_reply_size && !inbox_.unread().empty() &&
                        !memory_.wanted_by_others() && !is_stopping() && !cold_->any() && cold_->undone().empty() &&
                        !waiter_.fibers_have_work();
  if (may_wait) {
    const ssize_t came = inbox_.receive(socket_, Wait::no);
    note_arrival(came);
    if (came > 0) {
      held_.hold();
      return true;
    }
  }
  if (held_.is_held() && inbox_.unread().empty() && !socket_.has_input()) held_.client_waited();
  return false;
}

// ---- Wait and receive ----

// Waits for more from the client and receives it; received_ is -EAGAIN when nothing has come. False: the connection is
// to be closed.
bool Transmission::wait_and_receive() {
  replies_were_to_come_ = cold_->any() || waiter_.fibers_have_work();
  const bool must_be_quick = manners_.before_client(replies_were_to_come_ || !jobs_.idle());
  const Clock::time_point began = must_be_quick ? clients_clock() : Clock::time_point();
  received_ = receive();
  note_arrival(received_);
  if (is_stopping()) return true;
  if (received_ == 0 || (received_ < 0 && received_ != -EAGAIN)) return false;
  if (!must_be_quick) {
    pace_.reset();
    return true;
  }
  const std::size_t bytes = received_ > 0 ? static_cast<std::size_t>(received_) : 0;
  starves_others_ = pace_.too_slow(clients_clock() - began, bytes);
  return !starves_others_;
}

ssize_t Transmission::receive() {
  if (memory_.has_share()) return waiter_.receive(inbox_, *poller_);
  if (!waiter_.for_input()) return -EAGAIN;
  return memory_.claim_share() ? inbox_.receive(socket_, Wait::no) : -ECANCELED;
}

// For how long one waits for what the client sends. How fast it takes what is sent to it meanwhile the outlet judges.
Transmission::Clock::time_point Transmission::clients_clock() const {
  return waiter_.clients_clock() - outlet_.time_of_sending();
}

// What has come now completes requests, which have arrived now.
void Transmission::note_arrival(ssize_t received) {
  if (received > 0) received_at_ = Clock::now();
}

// Whether nothing has come for a while and nothing is under way. When replies were to come the client may just have got
// the last one, and will ask for more.
bool Transmission::nothing_to_do() {
  return received_ == -EAGAIN && !replies_were_to_come_ && cold_->undone().empty() && jobs_.idle();
}

// ---- The end ----

std::string Transmission::why_closed() const {
  if (outlet_.too_slow()) return "took its replies too slowly while others waited for memory";
  if (outlet_.broken()) return "replies could not be sent";
  if (starves_others_) return "slow within a request while others waited for memory";
  if (received_ == -ECANCELED) return "gone while it waited for memory";
  if (received_ < 0) return why_not_received(received_);
  return inbox_.unread().empty() && !draining_ ? "closed by the client" : "closed within a request";
}

Transmission::Outcome Transmission::end(std::string reason) {
  reason_ = std::move(reason);
  send_replies();
  // Not when the stop comes later: what is received then may begin anywhere.
  const bool stops = is_stopping();
  if (stops) refuse_what_comes();
  else inbox_.clear();
  manners_.at_the_end();
  waiter_.until([this] { return !cold_->any(); });
  repeat_undone();
  send_replies();
  jobs_.drain();
  if (stops) refuse_what_comes();
  if (draining_) drop(*std::exchange(draining_, std::nullopt));
  return Outcome::over;
}

// A client that does not know yet that the server stops learns it from the replies to what it has sent meanwhile.
void Transmission::refuse_what_comes() {
  const Clock::time_point end = Clock::now() + refusing_time;
  Wait wait = Wait::no;
  while (!outlet_.broken() && memory_.has_share() && Clock::now() < end) {
    const ssize_t came = wait == Wait::no ? inbox_.receive(socket_, wait) : waiter_.receive(inbox_, *poller_);
    note_arrival(came);
    if (came == -EAGAIN && wait == Wait::yes && (cold_->any() || waiter_.fibers_have_work())) continue;
    if (came <= 0) return;
    const Step last = serve_all_there_is();
    send_replies();
    if (last != Step::needs_more) return;
    wait = Wait::yes;
  }
}

}  // namespace ashlar::host
