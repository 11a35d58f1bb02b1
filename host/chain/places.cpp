#include "chain/places.hpp"

#include <algorithm>
#include <chrono>

namespace ashlar::host {
namespace {

// How often a waiting client looks whether it is still worth it.
constexpr std::chrono::milliseconds between_looks{20};

}  // namespace

bool Places::is_free(std::size_t most, const Patience& patient) {
  std::unique_lock lock(mutex_);
  return wait(lock, most, patient);
}

bool Places::take(const Holder& holder, std::size_t most, const Patience& patient) {
  std::unique_lock lock(mutex_);
  if (!wait(lock, most, patient)) return false;
  holders_.push_back(&holder);
  return true;
}

void Places::give_back(const Holder& holder) {
  const std::lock_guard lock(mutex_);
  std::erase(holders_, &holder);
  given_back_.notify_all();
}

std::string Places::taken_by() const {
  const std::lock_guard lock(mutex_);
  return holders_.empty() ? std::string() : holders_.front()->who();
}

// Holders live as long as they are in holders_, which only changes within the lock.
bool Places::wait(std::unique_lock<std::mutex>& lock, std::size_t most, const Patience& patient) {
  while (holders_.size() >= most) {
    const bool one_leaves =
        std::any_of(holders_.begin(), holders_.end(), [](const Holder* holder) { return holder->leaves(); });
    if (!one_leaves || !patient()) return false;
    given_back_.wait_for(lock, between_looks);
  }
  return true;
}

std::shared_ptr<ExportPlaces> PlacesByName::of(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (all_.size() >= most_) {
    std::erase_if(all_, [](const auto& one) { return one.second.expired(); });
    most_ = std::max<std::size_t>(64, 2 * all_.size());
  }
  std::weak_ptr<ExportPlaces>& known = all_[name];
  auto places = known.lock();
  if (places == nullptr) known = places = std::make_shared<ExportPlaces>();
  return places;
}

}  // namespace ashlar::host
