// Manners: what a session that serves requests gives back of its memory, before each of its waits and when others want
// it. The rule behind it is MemoryUse's.
#pragma once
#include "session/cold_reads.hpp"
#include "session/fibers.hpp"
#include "session/inbox.hpp"
#include "session/jobs.hpp"
#include "session/memory_use.hpp"
#include "session/outlet.hpp"
#include "session/reply_batch.hpp"

namespace ashlar::host {

// What it is given by reference outlives it. [the session's thread]
class Manners {
 public:
  Manners(MemoryUse& memory, Inbox& inbox, ReplyBatch& replies, Outlet& outlet)
      : memory_(memory), inbox_(inbox), replies_(replies), outlet_(outlet) {
    memory_.set_give_back([this] { before_memory(); });
  }
  ~Manners() { memory_.set_give_back(nullptr); }
  Manners(const Manners&) = delete;
  Manners& operator=(const Manners&) = delete;

  // From now on what these keep for the next request is given back, too; null: there are none any more.
  void include(ColdReads* reads, Jobs* jobs, Fibers* fibers) {
    reads_ = reads;
    jobs_ = jobs;
    fibers_ = fibers;
  }

  // Before it waits for what is under way, which may take long. Sends what is laid out.
  void before_work() {
    replies_.send();
    replies_.give_back();
  }
  // Before it waits for its client, when nothing is laid out. `replies_follow`: requests are under way. Returns whether
  // the client has to be quick: others want memory, and some is kept for a request that has come in part.
  bool before_client(bool replies_follow) {
    if (!memory_.wanted_by_others()) return false;
    replies_.give_back();
    give_kept_back();
    inbox_.give_back();
    // Who holds a large buffer must not wait for its share: those who have one may be waiting for what it holds.
    // But what the socket needs to send the replies that follow is of the share, and they come by themselves.
    const bool may_rest = !inbox_.has_buffer() && !(replies_follow && memory_.share_is_enlarged());
    if (may_rest && outlet_.try_rest()) memory_.give_share_back();
    return inbox_.has_buffer() && !inbox_.unread().empty();
  }
  // Before it rests, since nothing has come for a while and nothing is under way. Returns whether it may: else its
  // thread has to see to it that the client is not too slow.
  bool before_rest() {
    inbox_.park();
    replies_.give_back();
    return !inbox_.has_buffer() || !memory_.wanted_by_others();
  }
  // Behind each request.
  void between_requests() {
    if (inbox_.is_large() && memory_.wanted_by_others()) inbox_.give_large_back();
  }
  // When it ends, and nothing is received any more but what is refused.
  void at_the_end() {
    before_work();
    inbox_.give_large_back();
  }

 private:
  // Before it waits for memory: two that each hold a large buffer and want another would wait for each other for ever.
  // Sends what is laid out.
  void before_memory() {
    before_work();
    give_kept_back();
    inbox_.give_large_back();
  }
  void give_kept_back() {
    if (reads_ != nullptr) reads_->give_kept_back();
    if (jobs_ != nullptr) jobs_->give_kept_back();
    if (fibers_ != nullptr) fibers_->drop_those_at_rest();
  }

  MemoryUse& memory_;
  Inbox& inbox_;
  ReplyBatch& replies_;
  Outlet& outlet_;
  ColdReads* reads_ = nullptr;
  Jobs* jobs_ = nullptr;
  Fibers* fibers_ = nullptr;
};

}  // namespace ashlar::host
