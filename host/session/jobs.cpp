#include "session/jobs.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace ashlar::host {

class Jobs::Job final : public Task, public Fiber::Call, public Posted {
 public:
  explicit Job(Jobs& jobs) : jobs_(jobs) {}

  void begin(const Asked& asked, Pin& payload, std::shared_ptr<Buffer> answer, std::size_t bytes) {
    asked_ = asked;
    payload_ = std::move(payload);
    answer_ = std::move(answer);
    held_ = bytes;
    waiting_ = nullptr;
  }
  // On a worker, in a place of its own.
  void run() noexcept override { run_all(On::worker); }
  void run_on_fiber() noexcept override { run_all(On::fiber); }
  // This job, then those that wait.
  void run_all(On on) noexcept {
    Jobs& jobs = jobs_;
    for (Job* job = this; job != nullptr; job = jobs.next(on)) job->execute(on);
  }

  std::span<std::byte> bytes() override { return {at_, reply_.bytes}; }
  void sent(bool left) noexcept override {
    jobs_.needs_.ledger.finished(asked_, reply_.error, Ledger::By::anybody,
                                 left ? Ledger::ReplyIs::sent : Ledger::ReplyIs::dropped);
    jobs_.done(*this);
  }

 private:
  friend class Jobs;
  void execute(On on) noexcept {
    const Needs& needs = jobs_.needs_;
    at_ = answer_ ? answer_->data() + needs.runner.paged_offset() : short_answer_.data();
    reply_ =
        is_in_vain() ? needs.runner.settle(refused_at_end(asked_), at_) : needs.runner.run(asked_, at_, Flag::none);
    payload_.release();
    // May end in sent() at once: nothing of this job is touched behind it.
    if (on == On::fiber) needs.outlet.gather(*this);
    else needs.outlet.post(*this, on == On::worker ? Outlet::From::worker : Outlet::From::session);
  }

  // The server stops, or the client has gone and nothing of its own would be lost: then it is not begun.
  bool is_in_vain() const {
    const Needs& needs = jobs_.needs_;
    return needs.stopping.load(std::memory_order_relaxed) || (needs.outlet.broken() && asked_.verdict.payload == 0);
  }

  Jobs& jobs_;
  Asked asked_;
  Pin payload_;
  std::size_t held_ = 0;
  std::shared_ptr<Buffer> answer_;  // for a reply that brings data
  std::array<std::byte, protocol::max_error_size> short_answer_;
  std::byte* at_ = nullptr;
  Reply reply_;
  Job* waiting_ = nullptr;
};

Jobs::Jobs(const Needs& needs, unsigned width)
    : needs_(needs), width_(width), most_under_way_(std::max(width, usual_under_way)) {
  kept_.reserve(most_under_way_);  // done() must not fail
}

Jobs::~Jobs() { drain(); }

bool Jobs::brings_data(const Asked& asked) { return asked.verdict.op == Op::read || asked.verdict.op == Op::extents; }

std::size_t Jobs::bytes_of(const Asked& asked) const {
  return brings_data(asked) ? needs_.runner.paged_reply_bytes(asked) : asked.verdict.payload;
}

bool Jobs::has_room(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return under_way_ == 0 || (under_way_ < most_under_way_ && bytes_ + bytes <= most_bytes);
}

// A buffer that was kept and is large enough; null: there is none.
std::shared_ptr<Buffer> Jobs::kept(std::size_t bytes) {
  if (bytes > BufferPool::small_capacity) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (kept_.empty()) return nullptr;
  std::shared_ptr<Buffer> buffer = std::move(kept_.back());
  kept_.pop_back();
  return buffer;
}

void Jobs::give_kept_back() {
  const std::lock_guard<std::mutex> lock(mutex_);
  kept_.clear();
}

bool Jobs::try_start(const Asked& asked, Pin& payload) {
  if (!has_room(bytes_of(asked))) return false;
  std::shared_ptr<Buffer> answer;
  if (brings_data(asked)) {
    answer = kept(bytes_of(asked));
    if (!answer) answer = needs_.memory.try_take(bytes_of(asked));
    if (!answer) return false;
  }
  return launch(asked, payload, std::move(answer), Here::no);
}

bool Jobs::start(const Asked& asked, Pin& payload) {
  needs_.waiter.until([&] { return has_room(bytes_of(asked)); });
  std::shared_ptr<Buffer> answer;
  if (brings_data(asked)) {
    answer = kept(bytes_of(asked));
    if (!answer) answer = needs_.memory.take(bytes_of(asked));
    if (!answer) return false;
  }
  return launch(asked, payload, std::move(answer), Here::allowed);
}

// [under the lock]
void Jobs::have_free_job() {
  if (!free_.empty()) return;
  all_.push_back(std::make_unique<Job>(*this));
  free_.reserve(all_.size());  // done() must not fail
  free_.push_back(all_.back().get());
}

// Where one more job may run; none: it has to wait, or to run here.
std::optional<Jobs::On> Jobs::take_place() {
  if (active_ >= width_) return std::nullopt;
  if (needs_.fibers != nullptr && needs_.fibers->have_room()) return On::fiber;
  // A worker may not be had after all, and the job then runs on the session's thread, which must not block while fibers
  // are put aside. So none is tried then.
  if (needs_.fibers != nullptr && needs_.fibers->any_aside()) return std::nullopt;
  if (needs_.workers.take()) return On::worker;
  return std::nullopt;
}

// There is room: only this thread adds jobs. False: no place is free, or no thread is to be had, and it may not run
// here.
bool Jobs::launch(const Asked& asked, Pin& payload, std::shared_ptr<Buffer> answer, Here here) {
  Job* job = nullptr;
  std::optional<On> place;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    have_free_job();
    place = take_place();
    if (!place && active_ == 0 && here == Here::no) return false;
    job = free_.back();
    free_.pop_back();
    job->begin(asked, payload, std::move(answer), bytes_of(asked));
    ++under_way_;
    bytes_ += job->held_;
    if (!place && active_ != 0) {
      (last_waiting_ != nullptr ? last_waiting_->waiting_ : first_waiting_) = job;
      last_waiting_ = job;
      needs_.workers.waits();
      return true;
    }
    ++active_;
  }
  if (place == On::fiber) {
    needs_.fibers->start(*job);
    return true;
  }
  if (place && needs_.executor.try_submit(*job)) return true;
  if (place) needs_.workers.give_back();  // there is no thread to be had: then here
  if (here == Here::no) {
    take_back(*job, payload);
    return false;
  }
  job->run_all(On::session);
  return true;
}

// A job that has not begun.
void Jobs::take_back(Job& job, Pin& payload) {
  payload = std::move(job.payload_);
  job.answer_.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  --active_;
  --under_way_;
  bytes_ -= job.held_;
  free_.push_back(&job);
}

// The next job for who has finished one; null: none, and its thread or fiber is no longer this connection's.
Jobs::Job* Jobs::next(On on) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (first_waiting_ != nullptr) {
    Job* job = std::exchange(first_waiting_, first_waiting_->waiting_);
    if (first_waiting_ == nullptr) last_waiting_ = nullptr;
    job->waiting_ = nullptr;
    needs_.workers.waited();
    return job;
  }
  if (on == On::worker) needs_.workers.give_back();
  --active_;
  needs_.waiter.wake();
  return nullptr;
}

// The buffer of a small reply is kept for the next one, which costs less than the pool's.
void Jobs::done(Job& job) {
  const bool keeps = job.answer_ && needs_.memory.may_keep(*job.answer_);
  if (!keeps) job.answer_.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (keeps) kept_.push_back(std::move(job.answer_));
  --under_way_;
  bytes_ -= job.held_;
  free_.push_back(&job);
  needs_.waiter.wake();
}

bool Jobs::idle() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return under_way_ == 0 && active_ == 0;
}

void Jobs::drain() {
  needs_.waiter.until([this] { return idle(); });
}

}  // namespace ashlar::host
