#include "requests.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

using namespace ashlar;

namespace {

constexpr std::chrono::seconds rest{1};
// Who keeps a lock is asked for it so often by each request that waits for it.
constexpr std::chrono::milliseconds before_next_ask{500};

}  // namespace

class Requests::Request {
 public:
  Request(Requests& all, const void* of, Buffers::Buffer memory, const Wait& wait)
      : all_(all), of_(of), memory_(std::move(memory)), ticket_(wait) {}

  Requests& all_;
  const void* const of_;
  const Buffers::Buffer memory_;
  Wait::Ticket ticket_;  // waited for by who asks, and by nobody twice
  Clock::time_point begun_{};
  std::list<std::shared_ptr<Request>>::iterator place_{};
  bool ended_ = false;  // its answer is there, or it was given up
};

const std::byte* Requests::Answer::data() const { return request->memory_.data(); }

Requests::Requests(const Host& host, Clock::duration timeout, std::function<void()> on_slow)
    : host_(host),
      wait_(host),
      timeouts_(Metrics(host).counter("timeouts", "requests that the cluster did not answer in time")),
      timeout_(timeout),
      slow_(std::min<Clock::duration>(timeout / 4, std::chrono::seconds(2))),
      on_slow_(std::move(on_slow)) {}

Requests::~Requests() { end_watch(); }

void Requests::end_watch() noexcept {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_one();
  if (watcher_.joinable()) watcher_.join();
}

std::shared_ptr<Requests::Request> Requests::begin(const void* of, std::size_t bytes) {
  auto memory = buffers_.take(bytes);
  std::list<std::shared_ptr<Request>> place(1);
  auto request = std::make_shared<Request>(*this, of, std::move(memory), wait_);
  place.front() = request;
  request->place_ = place.begin();
  request->begun_ = Clock::now();
  try {
    const std::lock_guard lock(mutex_);
    have_watched();
    waited_for_.splice(waited_for_.end(), place);
    if (rests_) changed_.notify_one();
  } catch (...) {
    request->ticket_.done();  // each ticket has to end
    throw;
  }
  return request;
}

// With the lock held. Throws std::system_error.
void Requests::have_watched() {
  if (watches_) return;
  if (watcher_.joinable()) watcher_.join();  // it has nothing left to do
  watcher_ = std::thread([this] { watch(); });
  watches_ = true;
}

// False: it has ended before.
bool Requests::end(Request& request, std::int64_t result) noexcept {
  std::shared_ptr<Request> last;  // let go of without the lock
  {
    const std::lock_guard lock(mutex_);
    if (request.ended_) return false;
    request.ended_ = true;
    last = std::move(*request.place_);
    waited_for_.erase(request.place_);
  }
  request.ticket_.done(result);
  return true;
}

Requests::Answer Requests::wait_for(const std::shared_ptr<Request>& request) {
  Request* const one = request.get();
  one->ticket_.on_cancel(
      [](void* given) noexcept {
        auto& cancelled = *static_cast<Request*>(given);
        cancelled.all_.end(cancelled, -ECANCELED);
      },
      one);
  const std::int64_t result = one->ticket_.wait();
  return {result, request};
}

Requests::Answer Requests::ask_by(const void* of, std::size_t bytes, StartBy start, void* how) noexcept {
  try {
    auto held = std::make_unique<std::shared_ptr<Request>>();  // librbd's
    const std::shared_ptr<Request> request = begin(of, bytes);
    *held = request;
    const int started = start(how, held.get(), request->memory_.data());
    if (started < 0) end(*request, started);
    else static_cast<void>(held.release());
    return wait_for(request);
  } catch (const std::exception&) {
    return {-ENOMEM, nullptr};
  }
}

int Requests::sleep_before_asking_again(Clock::time_point since) const noexcept {
  wait_.sleep_until(std::min(Clock::now() + before_next_ask, since + timeout_));
  if (wait_.cancelled()) return -ECANCELED;
  return Clock::now() < since + timeout_ ? 0 : -EROFS;
}

void Requests::give_up(const void* of) noexcept {
  for (;;) {
    std::shared_ptr<Request> one;
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::ranges::find(waited_for_, of, [](const auto& request) { return request->of_; });
      if (found == waited_for_.end()) return;
      one = *found;
    }
    end(*one, -EIO);
  }
}

void Requests::completed(void* request, std::int64_t result) noexcept {
  const std::unique_ptr<std::shared_ptr<Request>> held(static_cast<std::shared_ptr<Request>*>(request));
  (*held)->all_.end(**held, result);
}

void Requests::run(std::function<void()> job) {
  const std::shared_ptr<Request> request = begin(nullptr, 0);
  try {
    worker_.post([this, request, job = std::move(job)] {
      bool wanted = false;
      {
        const std::lock_guard lock(mutex_);
        wanted = !request->ended_;
      }
      if (wanted) job();
      end(*request, 0);
    });
  } catch (...) {
    end(*request, 0);
    wait_for(request);
    throw;
  }
  if (const std::int64_t result = wait_for(request).result; result != 0)
    throw std::system_error(static_cast<int>(-result), std::generic_category(), "the cluster was asked in vain");
}

// Until it is too old, or for a while.
void Requests::wait_for_oldest(std::unique_lock<std::mutex>& lock) {
  const auto begun = waited_for_.front()->begun_, now = Clock::now();
  const bool is_slow = now >= begun + slow_;
  changed_.wait_until(lock, is_slow ? std::min(begun + timeout_, now + slow_) : begun + slow_,
                      [this] { return ends_; });
  if (!is_slow || ends_) return;
  lock.unlock();
  on_slow_();
  lock.lock();
}

// Runs on watcher_.
void Requests::watch() noexcept {
  std::unique_lock lock(mutex_);
  while (!ends_) {
    if (waited_for_.empty()) {
      rests_ = true;
      changed_.wait_for(lock, rest, [this] { return ends_ || !waited_for_.empty(); });
      rests_ = false;
      if (waited_for_.empty()) break;
      continue;
    }
    if (Clock::now() < waited_for_.front()->begun_ + timeout_) {
      wait_for_oldest(lock);
      continue;
    }
    const std::shared_ptr<Request> oldest = waited_for_.front();
    lock.unlock();
    if (end(*oldest, -ETIMEDOUT)) {
      timeouts_.add();
      host_.log(Level::error, "the cluster has not answered for %lld s: a request fails",
                static_cast<long long>(std::chrono::duration_cast<std::chrono::seconds>(timeout_).count()));
    }
    lock.lock();
  }
  watches_ = false;
}
