#include "session/cold_reads.hpp"

#include <liburing.h>
#include <poll.h>

#include <cerrno>

namespace ashlar::host {
namespace {

constexpr unsigned entries = 2 * ColdReads::most_under_way;
// So many replies go out at once: a disk that ends many reads together would else have nothing to do until all were
// sent and the client had asked for more.
constexpr std::size_t most_sent_at_once = 8;
constexpr std::size_t most_kept = 32;  // small buffers, for the next reads

// Mark the completion of a watch; a read's completion has the Read.
char client_mark, event_mark;

}  // namespace

struct ColdReads::Read {
  Asked asked;
  std::shared_ptr<Buffer> answer;
  std::byte* data = nullptr;  // on a page, which O_DIRECT needs
};

void ColdReads::Closer::operator()(io_uring* ring) const {
  ::io_uring_queue_exit(ring);
  delete ring;
}

ColdReads::ColdReads(Socket& socket, RequestRunner& runner, Outlet& outlet, MemoryUse& memory, Ledger& ledger,
                     std::atomic<bool>& no_io_uring)
    : socket_(socket), runner_(runner), outlet_(outlet), memory_(memory), ledger_(ledger), no_io_uring_(no_io_uring) {
  done_.reserve(most_sent_at_once);
  parts_.reserve(most_sent_at_once);
  undone_.reserve(most_under_way);
}

ColdReads::~ColdReads() {
  while (under_way_ != 0) {
    ::io_uring_submit_and_wait(ring_.get(), 1);
    bool input = false;
    reap(input);
    for (Read* read : done_) {
      drop(read->asked);
      end(read);
    }
    done_.clear();
  }
  for (const Asked& asked : undone_) drop(asked);
}

// Nobody will reply to it.
void ColdReads::drop(const Asked& asked) {
  ledger_.finished(asked, protocol::error_eio, Ledger::By::session, Ledger::ReplyIs::dropped);
}

bool ColdReads::open_ring() {
  if (ring_) return true;
  if (no_io_uring_.load(std::memory_order_relaxed)) return false;
  // Completions are worked off when this thread asks for them, instead of interrupting it (Linux 6.1).
  for (const unsigned flags : {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0u}) {
    io_uring_params params{};
    params.flags = flags;
    auto ring = std::make_unique<io_uring>();
    const int error = ::io_uring_queue_init_params(entries, ring.get(), &params);
    if (error == 0) {
      ring_.reset(ring.release());
      return true;
    }
    // Others may pass: no descriptor or no memory left at present.
    if (error == -EPERM || error == -ENOSYS) no_io_uring_.store(true, std::memory_order_relaxed);
  }
  return false;
}

// Every read that is under way may end undone, for which there is room then.
bool ColdReads::start(const Asked& asked, int fd, std::uint64_t offset) {
  if (under_way_ + undone_.size() >= most_under_way) return false;
  if (!open_ring() || ::io_uring_sq_space_left(ring_.get()) == 0) return false;
  if (free_.empty()) {
    all_.push_back(std::make_unique<Read>());
    free_.reserve(all_.size());
    free_.push_back(all_.back().get());
  }
  Read* const read = free_.back();
  const std::size_t size = runner_.paged_reply_bytes(asked);
  if (!read->answer || read->answer->capacity() < size) read->answer = memory_.try_take(size);
  if (!read->answer) return false;
  free_.pop_back();
  read->asked = asked;
  read->data = read->answer->data() + runner_.paged_offset() + runner_.data_offset();
  io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
  ::io_uring_prep_read(sqe, fd, read->data, asked.request.length, offset);
  ::io_uring_sqe_set_data(sqe, read);
  if (under_way_++ == 0) progress_ = asked.arrived;
  return true;
}

// The read is used again, the last to end first, and keeps its buffer if that is a small one. Not while anybody waits
// for memory: this may be within such a wait.
void ColdReads::end(Read* read) {
  const bool keeps = read->answer->capacity() <= BufferPool::small_capacity && free_.size() < most_kept;
  if (!keeps || memory_.is_wanted()) read->answer.reset();
  free_.push_back(read);
}

void ColdReads::give_kept_back() {
  for (Read* read : free_) read->answer.reset();
}

bool ColdReads::watch(int descriptor, unsigned events, void* mark) {
  io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
  if (sqe == nullptr) return false;
  ::io_uring_prep_poll_add(sqe, descriptor, events);
  ::io_uring_sqe_set_data(sqe, mark);
  return true;
}

bool ColdReads::wait(Watch what, int event) {
  if (what == Watch::client && !client_watched_)
    client_watched_ = watch(socket_.watched_descriptor(), POLLIN | POLLRDHUP, &client_mark);
  if (what == Watch::event && event >= 0 && !event_watched_) event_watched_ = watch(event, POLLIN, &event_mark);

  bool input = what == Watch::client && socket_.holds_input();
  if (input) {
    ::io_uring_submit_and_get_events(ring_.get());
  } else {
    __kernel_timespec patience{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(Socket::patience).count()};
    io_uring_cqe* first = nullptr;
    const Inside inside = runner_.waiting_for_lent(progress_);  // so that a server which cannot stop can name the layer
    ::io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &patience, nullptr);
  }
  reap(input);
  reap_what_follows(input);
  const bool sent = !done_.empty();
  send_done();
  return input || sent;
}

void ColdReads::reap(bool& input) {
  io_uring_cqe* cqe = nullptr;
  while (done_.size() < most_sent_at_once && ::io_uring_peek_cqe(ring_.get(), &cqe) == 0) {
    void* const mark = ::io_uring_cqe_get_data(cqe);
    const int result = cqe->res;
    ::io_uring_cqe_seen(ring_.get(), cqe);
    if (mark == &event_mark) {
      event_watched_ = false;
    } else if (mark == &client_mark) {
      client_watched_ = false;
      input = true;
    } else {
      auto* const read = static_cast<Read*>(mark);
      --under_way_;
      progress_ = std::chrono::steady_clock::now();
      if (result >= 0 && static_cast<std::uint32_t>(result) == read->asked.request.length) {
        done_.push_back(read);
      } else {
        undone_.push_back(read->asked);
        end(read);
      }
    }
  }
}

// A disk often ends many reads within microseconds, and the first of them wakes this thread. As long as more end while
// one looks, they go out together: each sending costs a turn of the client and of the disk.
void ColdReads::reap_what_follows(bool& input) {
  std::size_t before = 0;
  while (done_.size() > before && done_.size() < most_sent_at_once && under_way_ != 0) {
    before = done_.size();
    ::io_uring_get_events(ring_.get());
    reap(input);
  }
}

void ColdReads::send_done() {
  if (done_.empty()) return;
  parts_.clear();
  for (Read* read : done_) {
    std::byte* const at = read->data - runner_.data_offset();
    parts_.push_back({at, runner_.lay_out_header(read->asked, at) + read->asked.request.length});
  }
  const auto how = outlet_.send(parts_) ? Ledger::ReplyIs::sent : Ledger::ReplyIs::dropped;
  for (Read* read : done_) {
    ledger_.finished(read->asked, protocol::error_none, Ledger::By::session, how);
    end(read);
  }
  done_.clear();
}

}  // namespace ashlar::host
