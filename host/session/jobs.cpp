#include "session/jobs.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace ashlar::host {

class Jobs::Job final : public Task, public Posted {
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
  void run() noexcept override { run_all(true); }
  // This job, then those that wait for a thread.
  void run_all(bool has_place) noexcept {
    Jobs& jobs = jobs_;
    for (Job* job = this; job != nullptr; job = jobs.next(has_place)) job->execute();
  }

  std::span<std::byte> bytes() override { return {at_, size_}; }
  void sent() noexcept override {
    answer_.reset();
    jobs_.done(*this);
  }

 private:
  friend class Jobs;
  void execute() noexcept {
    at_ = answer_->data() + jobs_.runner_.paged_offset();
    size_ = jobs_.runner_.run(asked_, at_, Flag::none).bytes;
    payload_.release();
    jobs_.outlet_.post(*this);  // may end in sent() at once: nothing of this job is touched behind it
  }

  Jobs& jobs_;
  Asked asked_;
  Pin payload_;
  std::size_t held_ = 0;
  std::shared_ptr<Buffer> answer_;
  std::byte* at_ = nullptr;
  std::size_t size_ = 0;
  Job* waiting_ = nullptr;
};

Jobs::Jobs(RequestRunner& runner, Outlet& outlet, BufferPool& pool, Executor& executor, unsigned width)
    : runner_(runner), outlet_(outlet), pool_(pool), executor_(executor), width_(width) {}

Jobs::~Jobs() { drain(); }

bool Jobs::has_room(std::size_t bytes) const {
  return under_way_ == 0 || (under_way_ < most_under_way && bytes_ + bytes <= most_bytes);
}

bool Jobs::try_start(const Asked& asked, Pin& payload) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!has_room(runner_.paged_room(asked) + asked.verdict.payload)) return false;
  }
  std::shared_ptr<Buffer> answer = pool_.try_take(runner_.paged_room(asked));
  return answer && launch(asked, payload, std::move(answer), false);
}

void Jobs::start(const Asked& asked, Pin& payload) {
  {
    std::unique_lock<std::mutex> lock(mutex_);
    const std::size_t bytes = runner_.paged_room(asked) + asked.verdict.payload;
    changed_.wait(lock, [&] { return has_room(bytes); });
  }
  launch(asked, payload, pool_.take(runner_.paged_room(asked)), true);  // not under the lock: jobs that end let buffers go
}

// There is room: only this thread adds jobs. False: all workers are taken and `here` is not allowed.
bool Jobs::launch(const Asked& asked, Pin& payload, std::shared_ptr<Buffer> answer, bool here) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (free_.empty()) {
    all_.push_back(std::make_unique<Job>(*this));
    free_.reserve(all_.size());  // done() must not fail
    free_.push_back(all_.back().get());
  }
  const bool place = active_ < width_ && executor_.take_worker();
  if (!place && active_ == 0 && !here) return false;

  Job* job = free_.back();
  free_.pop_back();
  const std::size_t bytes = runner_.paged_room(asked) + asked.verdict.payload;
  job->begin(asked, payload, std::move(answer), bytes);
  ++under_way_;
  bytes_ += bytes;

  if (!place && active_ != 0) {
    (last_waiting_ != nullptr ? last_waiting_->waiting_ : first_waiting_) = job;
    last_waiting_ = job;
    return true;
  }
  ++active_;
  lock.unlock();
  if (place) {
    try {
      executor_.submit(*job);
      return true;
    } catch (const std::exception&) {  // no thread to be had: then here
      executor_.give_worker_back();
    }
  }
  job->run_all(false);
  return true;
}

// The next job for a thread that has finished one; null: none, and the thread is no longer this connection's.
Jobs::Job* Jobs::next(bool has_place) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (first_waiting_ != nullptr) {
    Job* job = std::exchange(first_waiting_, first_waiting_->waiting_);
    if (first_waiting_ == nullptr) last_waiting_ = nullptr;
    job->waiting_ = nullptr;
    return job;
  }
  if (has_place) executor_.give_worker_back();
  --active_;
  changed_.notify_all();
  return nullptr;
}

void Jobs::done(Job& job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  --under_way_;
  bytes_ -= job.held_;
  free_.push_back(&job);
  changed_.notify_all();
}

bool Jobs::idle() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return under_way_ == 0 && active_ == 0;
}

void Jobs::drain() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return under_way_ == 0 && active_ == 0; });
}

}  // namespace ashlar::host
