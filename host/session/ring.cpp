#include "session/ring.hpp"

#include <liburing.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "socket/socket.hpp"

namespace ashlar::host {
namespace {

// So many can be submitted at once, and so many can have ended before they are reaped; what is more the kernel keeps.
constexpr unsigned entries = 256, end_entries = 2048;

// So many are told at once that they have ended: a disk that ends many reads or writes together would else have nothing
// to do until all replies were sent and the client had asked for more.
constexpr std::uint64_t most_told_at_once = 8;

// As much as read(2) and write(2) transfer at most.
constexpr std::size_t most_at_once = 0x7ffff000;

}  // namespace

void Ring::Closer::operator()(io_uring* ring) const {
  ::io_uring_queue_exit(ring);
  delete ring;
}

Ring::Ring(std::atomic<bool>& forbidden)
    : forbidden_(forbidden), input_{POLLIN | POLLRDHUP}, room_{POLLOUT}, event_{POLLIN} {}

Ring::~Ring() {
  while (any()) turn({}, Socket::patience);
}

bool Ring::open() {
  if (ring_) return true;
  if (forbidden_.load(std::memory_order_relaxed)) return false;
  // What has ended is worked off when this thread asks for it, instead of interrupting it (Linux 6.1).
  for (const unsigned flags : {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, 0u}) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE;
    params.cq_entries = end_entries;
    auto ring = std::make_unique<io_uring>();
    const int error = ::io_uring_queue_init_params(entries, ring.get(), &params);
    if (error == 0) {
      ring_.reset(ring.release());
      if ((params.features & IORING_FEAT_RW_CUR_POS) != 0) return true;
      ring_.reset();  // Linux 5.5 has no plain reads and writes yet
      forbidden_.store(true, std::memory_order_relaxed);
    }
    // Other errors may pass: no descriptor or no memory left at present.
    if (error == -EPERM || error == -EACCES || error == -ENOSYS) forbidden_.store(true, std::memory_order_relaxed);
  }
  return false;
}

bool Ring::can_begin() {
  if (!open()) return false;
  if (::io_uring_sq_space_left(ring_.get()) == 0) submit();
  return ::io_uring_sq_space_left(ring_.get()) != 0;
}

void Ring::begin(Operation& operation, const Transfer& what) {
  io_uring_sqe* const sqe = ::io_uring_get_sqe(ring_.get());
  const auto length = static_cast<unsigned>(std::min<std::size_t>(what.length, most_at_once));
  if (what.to == Transfer::To::file) ::io_uring_prep_write(sqe, what.fd, what.data, length, what.offset);
  else ::io_uring_prep_read(sqe, what.fd, what.data, length, what.offset);
  sqe->rw_flags = what.flags & ~RWF_HIPRI;  // advice, which only rings of another kind take
  ::io_uring_sqe_set_data(sqe, &operation);
  ++under_way_;
}

bool Ring::turn(Watched watched, std::chrono::nanoseconds patience) {
  bool input = false;
  const std::uint64_t before = ended_;
  wait(watched, patience);
  reap(before, input);
  reap_what_follows(before, input);
  return input;
}

bool Ring::look() {
  bool input = false;
  const std::uint64_t before = ended_;
  submit();
  reap(before, input);
  return input;
}

void Ring::reap_all() {
  submit();
  bool input = false;
  while (reap_one(input)) continue;
}

// Also lets end what can.
void Ring::submit() {
  if (ring_) ::io_uring_submit_and_get_events(ring_.get());
}

// Once: it has to be set again when it was seen.
void Ring::watch(int descriptor, Watch& watch) {
  if (descriptor < 0 || watch.set) return;
  io_uring_sqe* sqe = ::io_uring_get_sqe(ring_.get());
  if (sqe == nullptr) {
    submit();
    sqe = ::io_uring_get_sqe(ring_.get());
  }
  if (sqe == nullptr) return;
  ::io_uring_prep_poll_add(sqe, descriptor, watch.events);
  ::io_uring_sqe_set_data(sqe, &watch);
  watch.set = true;
}

void Ring::wait(Watched watched, std::chrono::nanoseconds patience) {
  watch(watched.input, input_);
  watch(watched.room, room_);
  watch(watched.event, event_);
  __kernel_timespec time{.tv_sec = 0, .tv_nsec = patience.count()};
  io_uring_cqe* first = nullptr;
  ::io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &time, nullptr);
}

// Tells an operation that it has ended; sets `input` if there is some. False: there is nothing to tell.
bool Ring::reap_one(bool& input) {
  io_uring_cqe* cqe = nullptr;
  if (!ring_ || ::io_uring_peek_cqe(ring_.get(), &cqe) != 0) return false;
  void* const mark = ::io_uring_cqe_get_data(cqe);
  const int result = cqe->res;
  ::io_uring_cqe_seen(ring_.get(), cqe);
  if (mark == &input_ || mark == &room_ || mark == &event_) {
    static_cast<Watch*>(mark)->set = false;
    input = input || mark == &input_;
  } else {
    --under_way_;
    ++ended_;
    static_cast<Operation*>(mark)->ended(result);
  }
  return true;
}

// `before`: how many had ended before this turn.
void Ring::reap(std::uint64_t before, bool& input) {
  while (ended_ - before < most_told_at_once && reap_one(input)) continue;
}

// A disk often ends many reads or writes within microseconds, and the first of them wakes this thread. As long as more
// end while one looks, their replies go out together: each sending costs a turn of the client and of the disk.
void Ring::reap_what_follows(std::uint64_t before, bool& input) {
  std::uint64_t known = before;
  while (ended_ > known && ended_ - before < most_told_at_once && any()) {
    known = ended_;
    submit();
    reap(before, input);
  }
}

}  // namespace ashlar::host
