#include "session/memory_limit.hpp"

namespace ashlar::host {

bool MemoryLimit::try_claim(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!queue_.empty() || !fits(bytes)) return false;  // those who came before go before
  used_ += bytes;
  return true;
}

void MemoryLimit::release(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  used_ -= bytes;
  grant_those_that_fit();
}

void MemoryLimit::set(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  limit_ = bytes;
  grant_those_that_fit();
}

// Nobody overtakes the oldest, or a large claim would never be granted beside many small ones.
void MemoryLimit::grant_those_that_fit() {
  while (!queue_.empty() && fits(queue_.front()->bytes_)) {
    Claim* const claim = queue_.front();
    queue_.pop_front();
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    used_ += claim->bytes_;
    claim->granted_.store(true, std::memory_order_release);
    claim->who_.granted();
  }
}

MemoryLimit::Claim::Claim(MemoryLimit& limit, std::size_t bytes, Waiting& who)
    : limit_(limit), bytes_(bytes), who_(who) {
  const std::lock_guard<std::mutex> lock(limit_.mutex_);
  place_ = limit_.queue_.insert(limit_.queue_.end(), this);
  limit_.waiting_.fetch_add(1, std::memory_order_relaxed);
  limit_.grant_those_that_fit();
}

MemoryLimit::Claim::~Claim() {
  const std::lock_guard<std::mutex> lock(limit_.mutex_);
  if (granted()) {
    if (!kept_) limit_.used_ -= bytes_;
  } else {
    limit_.queue_.erase(place_);
    limit_.waiting_.fetch_sub(1, std::memory_order_relaxed);
  }
  limit_.grant_those_that_fit();
}

}  // namespace ashlar::host
