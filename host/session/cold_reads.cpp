#include "session/cold_reads.hpp"

#include <liburing.h>
#include <poll.h>

#include <cerrno>

#include "session/transmission.hpp"

namespace ashlar::host {
namespace {

constexpr unsigned entries = 2 * ColdReads::most_under_way;
// So many replies go out at once: a disk that ends many reads together would else have nothing to do until all were sent and the
// client had asked for more.
constexpr std::size_t most_sent_at_once = 8;
constexpr std::size_t most_kept = 32;  // small buffers, for the next reads

// Marks the completion of the watch on the socket; a read's completion has the Read.
void* const socket_mark = nullptr;

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

ColdReads::ColdReads(int socket, RequestRunner& runner, Outlet& outlet, BufferPool& pool)
    : socket_(socket), runner_(runner), outlet_(outlet), pool_(pool) {
  done_.reserve(most_sent_at_once);
  parts_.reserve(most_sent_at_once);
}

ColdReads::~ColdReads() {
  while (under_way_ != 0) {
    ::io_uring_submit_and_wait(ring_.get(), 1);
    std::vector<Asked> undone;
    bool readable = false;
    reap(readable, undone);
    for (Read* read : done_) end(read);
    done_.clear();
  }
}

bool ColdReads::open_ring() {
  if (ring_) return true;
  if (forbidden_) return false;
  // Completions are worked off when this thread asks for them, instead of interrupting it (Linux 6.1).
  for (const unsigned flags : {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0u}) {
    io_uring_params params{};
    params.flags = flags;
    auto ring = std::make_unique<io_uring>();
    if (::io_uring_queue_init_params(entries, ring.get(), &params) != 0) continue;
    ring_.reset(ring.release());
    return true;
  }
  forbidden_ = true;
  return false;
}

bool ColdReads::start(const Asked& asked, int fd, std::uint64_t offset) {
  if (full() || !open_ring() || ::io_uring_sq_space_left(ring_.get()) == 0) return false;
  if (free_.empty()) {
    all_.push_back(std::make_unique<Read>());
    free_.reserve(all_.size());
    free_.push_back(all_.back().get());
  }
  Read* const read = free_.back();
  const std::size_t size = runner_.paged_room(asked);
  if (!read->answer || read->answer->capacity() < size) read->answer = pool_.try_take(size);
  if (!read->answer) return false;
  free_.pop_back();
  read->asked = asked;
  read->data = read->answer->data() + runner_.paged_offset() + runner_.data_offset();
  io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
  ::io_uring_prep_read(sqe, fd, read->data, asked.request.length, offset);
  ::io_uring_sqe_set_data(sqe, read);
  ++under_way_;
  return true;
}

// The read is used again, the last to end first, and keeps its buffer if that is a small one.
void ColdReads::end(Read* read) {
  if (read->answer->capacity() > BufferPool::small_capacity || free_.size() >= most_kept) read->answer.reset();
  free_.push_back(read);
}

bool ColdReads::wait(bool deaf, std::vector<Asked>& undone) {
  if (!watching_ && !deaf) {
    if (io_uring_sqe* sqe = ::io_uring_get_sqe(ring_.get()); sqe != nullptr) {
      ::io_uring_prep_poll_add(sqe, socket_, POLLIN | POLLRDHUP);
      ::io_uring_sqe_set_data(sqe, socket_mark);
      watching_ = true;
    }
  }
  __kernel_timespec patience{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(Transmission::patience).count()};
  io_uring_cqe* first = nullptr;
  ::io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &patience, nullptr);
  bool readable = false;
  reap(readable, undone);
  reap_what_follows(readable, undone);
  const bool sent = !done_.empty();
  send_done();
  return readable || sent;
}

void ColdReads::reap(bool& readable, std::vector<Asked>& undone) {
  io_uring_cqe* cqe = nullptr;
  while (done_.size() < most_sent_at_once && ::io_uring_peek_cqe(ring_.get(), &cqe) == 0) {
    auto* read = static_cast<Read*>(::io_uring_cqe_get_data(cqe));
    const int result = cqe->res;
    ::io_uring_cqe_seen(ring_.get(), cqe);
    if (read == socket_mark) {
      watching_ = false;
      readable = true;
      continue;
    }
    --under_way_;
    if (result >= 0 && static_cast<std::uint32_t>(result) == read->asked.request.length) {
      done_.push_back(read);
      continue;
    }
    // An error, or an end of file that the layer knows how to answer: the way without short cuts finds the right reply.
    undone.push_back(read->asked);
    end(read);
  }
}

// A disk often ends many reads within microseconds, and the first of them wakes this thread. As long as more end while one looks,
// they go out together: each sending costs a turn of the client and of the disk.
void ColdReads::reap_what_follows(bool& readable, std::vector<Asked>& undone) {
  std::size_t before = 0;
  while (done_.size() > before && done_.size() < most_sent_at_once && under_way_ != 0) {
    before = done_.size();
    ::io_uring_get_events(ring_.get());
    reap(readable, undone);
  }
}

void ColdReads::send_done() {
  if (done_.empty()) return;
  parts_.clear();
  for (Read* read : done_) {
    std::byte* const at = read->data - runner_.data_offset();
    parts_.push_back({at, runner_.lay_out_header(read->asked, at) + read->asked.request.length});
  }
  outlet_.send(parts_);
  for (Read* read : done_) end(read);
  done_.clear();
}

}  // namespace ashlar::host
