#include "chain/write_place.hpp"

#include <chrono>

namespace ashlar::host {
namespace {

// How often a waiting client looks whether it is still worth it.
constexpr std::chrono::milliseconds between_looks{20};

}  // namespace

bool WritePlace::is_free(const Patience& patient) {
  std::unique_lock lock(mutex_);
  return wait(lock, patient);
}

bool WritePlace::take(const Holder& holder, const Patience& patient) {
  std::unique_lock lock(mutex_);
  if (!wait(lock, patient)) return false;
  holder_ = &holder;
  return true;
}

void WritePlace::give_back() {
  const std::lock_guard lock(mutex_);
  holder_ = nullptr;
  given_back_.notify_all();
}

std::string WritePlace::taken_by() const {
  const std::lock_guard lock(mutex_);
  return holder_ != nullptr ? holder_->who() : std::string();
}

// The holder lives as long as it is in holder_, which only changes within the lock.
bool WritePlace::wait(std::unique_lock<std::mutex>& lock, const Patience& patient) {
  while (holder_ != nullptr) {
    if (!holder_->leaves() || !patient()) return false;
    given_back_.wait_for(lock, between_looks);
  }
  return true;
}

}  // namespace ashlar::host
