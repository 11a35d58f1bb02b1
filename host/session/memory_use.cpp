#include "session/memory_use.hpp"

namespace ashlar::host {
namespace {

// While it lives, `flag` says that the session waits.
class Waits {
 public:
  explicit Waits(std::atomic<bool>& flag) : flag_(flag) { flag_.store(true, std::memory_order_relaxed); }
  ~Waits() { flag_.store(false, std::memory_order_relaxed); }
  Waits(const Waits&) = delete;
  Waits& operator=(const Waits&) = delete;

 private:
  std::atomic<bool>& flag_;
};

}  // namespace

// Waits until `bytes` are claimed or `otherwise()`; true: they are claimed.
template <class Else>
bool MemoryUse::wait_for(MemoryLimit& limit, std::size_t bytes, Else otherwise) {
  const Waits waits(waits_);
  MemoryLimit::Claim claim(limit, bytes, *this);
  waiter_.until([&] {
    if (claim.granted()) return true;
    pool_.drop_kept();  // somebody may have kept a buffer just before this wait began
    return stopping_.load(std::memory_order_acquire) || socket_.is_gone() || otherwise();
  });
  const bool granted = claim.granted();  // once: it may be granted at any time
  if (granted) claim.keep();
  return granted;
}

MemoryUse::~MemoryUse() {
  give_share_back();
  give_part_back();
}

bool MemoryUse::claim_share() {
  if (has_share_) return true;
  share_bytes_ = next_share_bytes_;
  has_share_ = pool_.shares().try_claim(share_bytes_);
  if (!has_share_) has_share_ = wait_for(pool_.shares(), share_bytes_, [] { return false; });
  if (has_share_) bytes_->fetch_add(share_bytes_, std::memory_order_relaxed);
  return has_share_;
}

void MemoryUse::give_share_back() {
  if (!has_share_ || in_use_[0].load(std::memory_order_acquire) || in_use_[1].load(std::memory_order_acquire)) return;
  has_share_ = false;
  bytes_->fetch_sub(share_bytes_, std::memory_order_relaxed);
  pool_.shares().release(share_bytes_);
}

bool MemoryUse::try_keep_part(std::size_t bytes) {
  if (bytes > most_of_part || !pool_.parts().try_claim(bytes)) return false;
  part_bytes_ = bytes;
  bytes_->fetch_add(bytes, std::memory_order_relaxed);
  return true;
}

void MemoryUse::give_part_back() {
  if (part_bytes_ == 0) return;
  bytes_->fetch_sub(part_bytes_, std::memory_order_relaxed);
  pool_.parts().release(std::exchange(part_bytes_, 0));
}

bool MemoryUse::share_is_free() const {
  return has_share_ && !(in_use_[0].load(std::memory_order_acquire) && in_use_[1].load(std::memory_order_acquire));
}

std::shared_ptr<Buffer> MemoryUse::usual() {
  if (!has_share_) return nullptr;
  for (std::atomic<bool>& in_use : in_use_)
    if (!in_use.load(std::memory_order_acquire)) return pool_.take_usual_uncounted(in_use);
  return nullptr;
}

// Others may have it last, even after the session.
std::shared_ptr<Buffer> MemoryUse::counted(std::shared_ptr<Buffer> buffer) const {
  if (buffer == nullptr) return nullptr;
  Buffer* const raw = buffer.get();
  const std::size_t bytes = raw->capacity();
  auto given_back = [all = bytes_, bytes, of_pool = std::move(buffer)](Buffer*) mutable {
    of_pool.reset();
    all->fetch_sub(bytes, std::memory_order_relaxed);
  };
  bytes_->fetch_add(bytes, std::memory_order_relaxed);
  return {raw, std::move(given_back)};
}

void MemoryLease::take(std::size_t bytes) noexcept {
  bytes_ = bytes;
  all_->fetch_add(bytes, std::memory_order_relaxed);
}

void MemoryLease::keep(std::size_t bytes) noexcept {
  if (bytes >= bytes_) return;
  const std::size_t surplus = bytes_ - bytes;
  bytes_ = bytes;
  all_->fetch_sub(surplus, std::memory_order_relaxed);
  limit_.release(surplus);
}

// Made first, so that nothing is claimed when there is no memory for it.
std::shared_ptr<MemoryLease> MemoryUse::try_lease(std::size_t bytes) {
  auto made = std::make_shared<MemoryLease>(pool_.limit(), bytes_);
  if (!pool_.limit().try_claim(bytes)) return nullptr;
  made->take(bytes);
  return made;
}

std::shared_ptr<MemoryLease> MemoryUse::lease(std::size_t bytes) {
  auto made = std::make_shared<MemoryLease>(pool_.limit(), bytes_);
  if (!wait_for(pool_.limit(), bytes, [] { return false; })) return nullptr;
  made->take(bytes);
  return made;
}

std::shared_ptr<Buffer> MemoryUse::take(std::size_t capacity) {
  if (auto buffer = try_take(capacity)) return buffer;
  if (give_back_) give_back_();
  const bool may_be_usual = capacity <= BufferPool::usual_capacity;
  if (wait_for(pool_.limit(), BufferPool::bytes_to_claim(capacity), [&] { return may_be_usual && share_is_free(); }))
    return counted(pool_.take_claimed(capacity));
  return may_be_usual ? usual() : nullptr;
}

}  // namespace ashlar::host
