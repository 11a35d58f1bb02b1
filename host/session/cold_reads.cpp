#include "session/cold_reads.hpp"

#include <algorithm>
#include <cstddef>

namespace ashlar::host {
namespace {

// So many replies go out at once: a disk that ends many reads or writes together would else have nothing to do until
// all were sent and the client had asked for more.
constexpr std::size_t most_sent_at_once = 8;
constexpr std::size_t most_kept = 32;  // small buffers, for the next reads

}  // namespace

class ColdReads::Read final : public Ring::Operation {
 public:
  explicit Read(ColdReads& reads) : reads_(reads) {}
  void ended(int result) noexcept override { reads_.ended(*this, result); }

  Asked asked;
  std::shared_ptr<Buffer> answer;
  std::byte* data = nullptr;  // on a page, which O_DIRECT needs

 private:
  ColdReads& reads_;
};

ColdReads::ColdReads(Ring& ring, Socket& socket, RequestRunner& runner, Outlet& outlet, MemoryUse& memory,
                     Ledger& ledger)
    : ring_(ring), socket_(socket), runner_(runner), outlet_(outlet), memory_(memory), ledger_(ledger) {
  done_.reserve(most_under_way);
  sending_.reserve(most_sent_at_once);
  parts_.reserve(most_sent_at_once);
  undone_.reserve(most_under_way);
}

ColdReads::~ColdReads() {
  while (under_way_ != 0) {
    wait_on_ring({}, Socket::patience);
    reap_all();
  }
  for (const Read* read : done_) drop(read->asked);
  for (const Asked& asked : undone_) drop(asked);
}

// Nobody will reply to it.
void ColdReads::drop(const Asked& asked) {
  ledger_.finished(asked, protocol::error_eio, Ledger::By::session, Ledger::ReplyIs::dropped);
}

// Every read that is under way may end done or undone, for which there is room then.
bool ColdReads::start(const Asked& asked, int fd, std::uint64_t offset) {
  if (under_way_ + undone_.size() + done_.size() >= most_under_way) return false;
  if (!ring_.can_begin()) return false;
  if (free_.empty()) {
    all_.push_back(std::make_unique<Read>(*this));
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
  ring_.begin(
      *read,
      {.to = Transfer::To::memory, .fd = fd, .data = read->data, .length = asked.request.length, .offset = offset});
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

bool ColdReads::wait(Watch what, int event, std::chrono::nanoseconds patience) {
  const bool for_client = what == Watch::client;
  bool input = for_client && socket_.holds_input();
  const std::uint64_t before = ring_.ended();
  if (input || !done_.empty()) ring_.submit();
  else wait_on_ring({.input = for_client ? socket_.watched_descriptor() : -1, .event = event}, patience);
  reap(before, input);
  reap_what_follows(before, input);
  const bool sent = !done_.empty();
  send_done();
  return input || sent;
}

void ColdReads::look() {
  ring_.submit();
  bool input = false;
  reap(ring_.ended(), input);
  send_done();
}

void ColdReads::wait_for_room(int event, std::chrono::nanoseconds patience) {
  wait_on_ring({.room = socket_.watched_descriptor(), .event = event}, patience);
  reap_all();
}

void ColdReads::reap_all() {
  ring_.submit();
  bool input = false;
  while (ring_.reap_one(input)) continue;
}

// So that a server which cannot stop can name the layer whose bytes do not come.
void ColdReads::wait_on_ring(Ring::Watched watched, std::chrono::nanoseconds patience) {
  if (under_way_ == 0) return ring_.wait(watched, patience);  // calls on fibers have notes of their own
  const Inside inside = runner_.waiting_for_lent(progress_);
  ring_.wait(watched, patience);
}

void ColdReads::ended(Read& read, int result) {
  --under_way_;
  progress_ = std::chrono::steady_clock::now();
  if (result >= 0 && static_cast<std::uint32_t>(result) == read.asked.request.length) {
    done_.push_back(&read);
  } else {
    undone_.push_back(read.asked);
    end(&read);
  }
}

// `before`: how many had ended before this turn.
void ColdReads::reap(std::uint64_t before, bool& input) {
  while (ring_.ended() - before < most_sent_at_once && ring_.reap_one(input)) continue;
}

// A disk often ends many reads or writes within microseconds, and the first of them wakes this thread. As long as more
// end while one looks, their replies go out together: each sending costs a turn of the client and of the disk.
void ColdReads::reap_what_follows(std::uint64_t before, bool& input) {
  std::uint64_t known = before;
  while (ring_.ended() > known && ring_.ended() - before < most_sent_at_once && ring_.any()) {
    known = ring_.ended();
    ring_.submit();
    reap(before, input);
  }
}

void ColdReads::send_done() {
  while (!done_.empty()) {
    const std::size_t n = std::min(done_.size(), most_sent_at_once);
    sending_.assign(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
    done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
    send();
  }
}

// Those that end meanwhile are for the next time.
void ColdReads::send() {
  parts_.clear();
  for (Read* read : sending_) {
    std::byte* const at = read->data - runner_.data_offset();
    parts_.push_back({at, runner_.lay_out_header(read->asked, at) + read->asked.request.length});
  }
  const auto how = outlet_.send(parts_) ? Ledger::ReplyIs::sent : Ledger::ReplyIs::dropped;
  for (Read* read : sending_) {
    ledger_.finished(read->asked, protocol::error_none, Ledger::By::session, how);
    end(read);
  }
  sending_.clear();
}

}  // namespace ashlar::host
