#include "session/transmission.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ashlar::host {
namespace {
using namespace protocol;

constexpr unsigned workers_per_client = 16;
// So many replies go out before the rest of their batch is served, if the client may have a core of its own.
constexpr unsigned early_replies = 8;
constexpr std::uint32_t large_payload = 64u << 10;  // from here on a write's reply may wait, see may_hold_reply()
constexpr std::uint64_t answered_at_once = 64;      // requests, see learn_from_holding()
// How long a request may lie here in part, in memory that others wait for, before so much more of it has come.
constexpr std::chrono::seconds most_patience{10};
constexpr std::size_t least_progress = 1u << 20;  // bytes
}  // namespace

Transmission::Transmission(int fd, Chain& chain, const Agreement& agreement, Inbox& inbox,
                           const std::atomic<bool>& stopping, const Surroundings& surroundings)
    : fd_(fd),
      inbox_(inbox),
      stopping_(stopping),
      around_(surroundings),
      runner_(chain, agreement, around_.max_payload, around_.log),
      outlet_(fd, around_.executor, around_.pool),
      jobs_(runner_, outlet_, around_.pool, around_.executor, chain.exported().serial() ? 1 : workers_per_client) {}

// The road of a request: received, many at a time; served at once if it cannot block, else by a worker; replies sent many at a
// time.
Transmission::Outcome Transmission::run() {
  Poller poller(around_.company, around_.busy_poll);
  cold_.emplace(fd_, runner_, outlet_, around_.pool);
  for (;;) {
    Served served;
    do {
      repeat_undone();
      served = serve_received();  // may leave more undone, when it has waited
    } while (served == Served::all && !undone_.empty() && inbox_.can_let_go());
    const bool fetching = cold_->any();
    ssize_t n = -1;
    if (served == Served::all && may_hold_reply()) n = inbox_.poll(fd_);
    if (n > 0) {
      held_ = true;
    } else {
      if (held_) learn_from_holding();
      send_replies();
      if (served == Served::disconnect) return end("disconnected");
      if (served == Served::out_of_step) return end("wrong request magic");
      if (stopping_.load(std::memory_order_relaxed)) return end("server stops");
      n = fetching ? wait_with_cold_reads(false) : wait(poller);
    }
    if (n < 0 && errno != EAGAIN) return end(std::strerror(errno));
    if (n == 0 && !stopping_.load(std::memory_order_relaxed)) return end(why_closed());
    if (starves_others(n)) return end("slow within a request while others wait for memory");
    if (n >= 0 || fetching) continue;  // the client may just have got its last reply
    if (jobs_.idle() && inbox_.unread().empty() && to_drain_ == 0 && undone_.empty()) {
      replies_.reset();
      inbox_.give_back();
      cold_.reset();
      return Outcome::idle;
    }
  }
}

const char* Transmission::why_closed() {
  if (outlet_.broken()) return "replies could not be sent";
  return inbox_.unread().empty() && to_drain_ == 0 ? "closed by the client" : "closed within a request";
}

// Whether a request has come too slowly into a large buffer while others wait for one. `n`: what has come now.
bool Transmission::starves_others(ssize_t n) {
  if (!inbox_.is_large() || !around_.pool.wanted()) {
    slow_since_.reset();
    return false;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!slow_since_) slow_since_ = now, slow_bytes_ = 0;
  slow_bytes_ += n > 0 ? static_cast<std::size_t>(n) : 0;
  if (slow_bytes_ >= least_progress) slow_since_ = now, slow_bytes_ = 0;
  return now - *slow_since_ >= most_patience;
}

// Whether the reply of a large write waits for the next one's, as long as that is arriving: who sends is not waiting for it, and
// being woken for each would cost more than the reply.
bool Transmission::may_hold_reply() const {
  return large_write_done_ && counts_.requests >= hold_from_ && replies_size_ <= simple_reply_size && !inbox_.unread().empty() &&
         !around_.pool.wanted() && !stopping_.load(std::memory_order_relaxed) && !cold_->any() && undone_.empty();
}

// Before the reply that was held goes out. If the client has sent nothing more, it was waiting: its next requests are answered at
// once, as it has too few at a time to go on without replies.
void Transmission::learn_from_holding() {
  if (inbox_.unread().empty() && !inbox_.has_more(fd_)) hold_from_ = counts_.requests + answered_at_once;
}

// Receives more, polling first where that pays.
ssize_t Transmission::wait(Poller& poller) {
  ssize_t n = -1;
  if (around_.pool.wanted()) {
    replies_.reset();
    if (inbox_.unread().empty()) inbox_.let_large_go();
  }
  if (poller.begin()) {
    do n = inbox_.poll(fd_);
    while (n < 0 && errno == EAGAIN && poller.go_on());
    if (n >= 0 || errno != EAGAIN) return poller.end(), n;
  }
  n = inbox_.receive(fd_);
  const int error = errno;
  poller.end();
  errno = error;
  return n;
}

// Waits for what comes first, more from the client or data from the disk, and receives what is there.
ssize_t Transmission::wait_with_cold_reads(bool deaf) {
  if (cold_->wait(deaf, undone_) && !deaf) return inbox_.poll(fd_);
  errno = EAGAIN;
  return -1;
}

// Hands cold reads that were not read whole to workers. Before serve_received(), which sees to the inbox's room anew.
void Transmission::repeat_undone() {
  while (!undone_.empty()) {
    const Asked asked = undone_.back();
    Pin none;
    if (!jobs_.try_start(asked, none)) {
      if (!inbox_.can_let_go()) return;  // waiting for memory is for those who hold none; later
      undone_.pop_back();
      hand_over(asked);
    } else {
      undone_.pop_back();
    }
  }
}

// Serves the requests that have been received whole.
Transmission::Served Transmission::serve_received() {
  for (;;) {
    std::span<const std::byte> bytes = inbox_.unread();
    if (to_drain_ != 0) {
      const std::size_t n = std::min<std::uint64_t>(to_drain_, bytes.size());
      inbox_.consume(n);
      to_drain_ -= n;
      if (to_drain_ != 0) return Served::all;
      bytes = inbox_.unread();
    }
    if (bytes.size() < request_size) return Served::all;
    Asked asked;
    if (!decode_request(bytes.data(), asked.request)) return Served::out_of_step;
    asked.verdict = admit(asked.request, runner_.admission());
    if (asked.verdict.kind == Verdict::Kind::disconnect) return Served::disconnect;

    std::size_t whole = request_size;
    if (asked.verdict.kind == Verdict::Kind::run) {
      whole += asked.verdict.payload;
      if (bytes.size() < whole) {
        expect(whole);
        return Served::all;
      }
      asked.payload = bytes.data() + request_size;
      serve(asked);
    } else {
      replies_size_ += runner_.settle(asked, reply_room(runner_.room(asked))).bytes;
      to_drain_ = asked.verdict.payload;
    }
    ++counts_.requests;
    inbox_.consume(whole);
    if (inbox_.is_large() && around_.pool.wanted()) inbox_.let_large_go();
    send_early_replies(asked);
  }
}

void Transmission::serve(const Asked& asked) {
  if (asked.verdict.op == Op::read && outlet_.broken()) return;  // there may be gigabytes of them; what writes is still done
  if (asked.verdict.op == Op::read) counts_.bytes_read += asked.request.length;
  counts_.bytes_written += asked.verdict.payload;
  if (!runner_.can_nowait()) return hand_over(asked);
  const Reply reply = runner_.run(asked, reply_room(runner_.room(asked)), Flag::nowait | Flag::may_lend | Flag::may_lend_cold);
  switch (reply.kind) {
    case Reply::Kind::ready:
      replies_size_ += reply.bytes;
      large_write_done_ = asked.verdict.payload >= large_payload;
      break;
    case Reply::Kind::lent: serve_lent(asked, reply); break;
    case Reply::Kind::cold: serve_cold(asked, reply); break;
    case Reply::Kind::would_block: hand_over(asked); break;
  }
}

// The data are on the disk: fetched from there while other requests run.
void Transmission::serve_cold(const Asked& asked, const Reply& reply) {
  if (cold_->full()) send_replies();
  while (cold_->full()) wait_with_cold_reads(true);
  if (!cold_->start(asked, reply.fd, reply.fd_offset)) hand_over(asked);
}

// The data go from the page cache to the socket without passing through here, behind all replies laid out before.
void Transmission::serve_lent(const Asked& asked, const Reply& reply) {
  const std::span<const std::byte> header(replies_->data(), replies_size_ + reply.bytes);
  const int error =
      outlet_.send_lent(header, reply.fd, reply.fd_offset, asked.request.length, runner_.structured());
  replies_size_ = 0;
  replies_size_ = runner_.lent_tail(asked, reply_room(max_error_size), error);
}

// To a worker. What is ready goes out first if that means to wait.
void Transmission::hand_over(const Asked& asked) {
  if (large_write_done_) send_replies();  // a worker may take long
  Pin payload;
  if (asked.verdict.payload != 0) payload = inbox_.pin();
  if (jobs_.try_start(asked, payload)) return;
  send_replies();
  if (asked.verdict.payload == 0) let_large_buffers_go();
  jobs_.start(asked, payload);
}

// Makes room for a request that has arrived in part.
void Transmission::expect(std::size_t bytes) {
  if (inbox_.try_expect(bytes)) return;
  send_replies();
  let_large_buffers_go();
  inbox_.expect(bytes);
}

// Memory for a reply of up to `bytes`, behind those laid out before.
std::byte* Transmission::reply_room(std::size_t bytes) {
  if (!replies_) replies_ = around_.pool.take();
  if (replies_->capacity() - replies_size_ < bytes) {
    send_replies();
    if (replies_->capacity() < bytes) {
      replies_.reset();
      replies_ = around_.pool.try_take(bytes);
      if (!replies_) {
        let_large_buffers_go();
        replies_ = around_.pool.take(bytes);
      }
    }
  }
  return replies_->data() + replies_size_;
}

void Transmission::send_replies() {
  ready_ = 0;
  large_write_done_ = held_ = false;
  if (replies_size_ == 0) return;
  outlet_.send({replies_->data(), replies_size_});
  replies_size_ = 0;
}

// A client that sleeps until it has replies wakes, and asks for more, while the rest of the batch is served. Not for writes: such a
// client would send what it writes in smaller pieces, which costs both more.
void Transmission::send_early_replies(const Asked& asked) {
  if (asked.verdict.payload != 0 || ++ready_ < early_replies) return;
  if (around_.company.cores_to_spare()) send_replies();
  ready_ = 0;
}

// Before a wait for one: two clients that each hold a large buffer and want another would wait for each other for ever. And nobody
// else would finish this one's cold reads.
void Transmission::let_large_buffers_go() {
  while (cold_->any()) wait_with_cold_reads(true);
  if (replies_size_ == 0) replies_.reset();
  inbox_.let_large_go();
}

Transmission::Outcome Transmission::end(std::string reason) {
  reason_ = std::move(reason);
  send_replies();
  inbox_.consume(inbox_.unread().size());
  while (cold_->any()) wait_with_cold_reads(true);
  repeat_undone();
  cold_.reset();
  jobs_.drain();
  return Outcome::over;
}

}  // namespace ashlar::host
