#include "session/cold_reads.hpp"

#include <algorithm>
#include <cstddef>

namespace ashlar::host {
namespace {

constexpr std::size_t most_sent_at_once = 8;  // replies, so that the first ones do not wait for all
constexpr std::size_t most_kept = 32;         // small buffers, for the next reads

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

ColdReads::ColdReads(Ring& ring, RequestRunner& runner, Outlet& outlet, MemoryUse& memory, Ledger& ledger)
    : ring_(ring), runner_(runner), outlet_(outlet), memory_(memory), ledger_(ledger) {
  done_.reserve(most_under_way);
  sending_.reserve(most_sent_at_once);
  parts_.reserve(most_sent_at_once);
  undone_.reserve(most_under_way);
}

ColdReads::~ColdReads() {
  while (is_under_way()) {
    const Inside inside = note_of_wait();
    ring_.turn({}, Socket::patience);
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

// The read is used again, the last to end first, and keeps its buffer if that is a small one.
void ColdReads::put_back(Read* read) {
  if (free_.size() >= most_kept || !memory_.may_keep(*read->answer)) read->answer.reset();
  free_.push_back(read);
}

void ColdReads::give_kept_back() {
  for (Read* read : free_) read->answer.reset();
}

void ColdReads::ended(Read& read, int result) {
  --under_way_;
  progress_ = std::chrono::steady_clock::now();
  if (result >= 0 && static_cast<std::uint32_t>(result) == read.asked.request.length) {
    done_.push_back(&read);
  } else {
    undone_.push_back(read.asked);
    put_back(&read);
  }
}

bool ColdReads::send_done() {
  const bool some = has_done();
  while (has_done()) {
    const std::size_t n = std::min(done_.size(), most_sent_at_once);
    sending_.assign(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
    done_.erase(done_.begin(), done_.begin() + static_cast<std::ptrdiff_t>(n));
    send();
  }
  return some;
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
    put_back(read);
  }
  sending_.clear();
}

}  // namespace ashlar::host
