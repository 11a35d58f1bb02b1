#include "session/buffer_pool.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

namespace ashlar::host {
namespace {

// Large buffers that are kept, still counted, for the next request while clients use others.
constexpr std::size_t most_spare = 8;
constexpr std::size_t most_spare_bytes = std::size_t{32} << 20;

}  // namespace

// Outlives the pool as long as a buffer does.
struct BufferPool::State {
  // Buffers of one capacity that are not in use. Those beyond `most` go back to the system.
  struct Shelf {
    std::size_t capacity;
    std::size_t most;
    std::vector<std::unique_ptr<Buffer>> buffers;
  };

  explicit State(Limits limits) : limit(limits.rest), shares(limits.shares), parts(limits.parts) {
    for (Shelf& shelf : shelves) shelf.buffers.reserve(shelf.most);  // put_back must not fail
    spare.reserve(most_spare);
  }

  MemoryLimit limit;
  MemoryLimit shares;
  MemoryLimit parts;
  std::mutex mutex;
  std::size_t large_in_use = 0;                // buffers
  std::vector<std::unique_ptr<Buffer>> spare;  // large ones, while any is in use
  std::size_t spare_bytes = 0;
  std::array<Shelf, 2> shelves{{{small_capacity, 256, {}}, {usual_capacity, 16, {}}}};

  Shelf* shelf_for(std::size_t capacity) {
    for (Shelf& shelf : shelves)
      if (capacity <= shelf.capacity) return &shelf;
    return nullptr;
  }
  std::unique_ptr<Buffer> from(Shelf& shelf) {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!shelf.buffers.empty()) {
        std::unique_ptr<Buffer> buffer = std::move(shelf.buffers.back());
        shelf.buffers.pop_back();
        return buffer;
      }
    }
    return std::make_unique<Buffer>(shelf.capacity);
  }
  std::unique_ptr<Buffer> make(std::size_t capacity) {
    if (Shelf* shelf = shelf_for(capacity)) return from(*shelf);
    auto buffer = std::make_unique<Buffer>(capacity);
    const std::lock_guard<std::mutex> lock(mutex);
    ++large_in_use;
    return buffer;
  }
  // A spare buffer that is not much too large. Its bytes are still counted.
  std::unique_ptr<Buffer> from_spare(std::size_t capacity) {
    if (capacity <= usual_capacity) return nullptr;
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::unique_ptr<Buffer>& one : spare) {
      if (one->capacity() < capacity || one->capacity() > 2 * capacity) continue;
      std::swap(one, spare.back());
      std::unique_ptr<Buffer> buffer = std::move(spare.back());
      spare.pop_back();
      spare_bytes -= buffer->capacity();
      ++large_in_use;
      return buffer;
    }
    return nullptr;
  }
  void put_on_shelf(std::unique_ptr<Buffer> done) {
    Shelf& shelf = *shelf_for(done->capacity());
    const std::lock_guard<std::mutex> lock(mutex);
    if (shelf.buffers.size() < shelf.most) shelf.buffers.push_back(std::move(done));
  }
  void put_back(std::unique_ptr<Buffer> done) {
    const std::size_t capacity = done->capacity();
    if (capacity > usual_capacity) {
      put_back_large(std::move(done));
    } else {
      put_on_shelf(std::move(done));
      limit.release(capacity);
    }
  }
  void put_back_large(std::unique_ptr<Buffer> done) {
    bool last = false;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      last = --large_in_use == 0;
      const std::size_t capacity = done->capacity();
      if (!last && limit.waiting() == 0 && spare.size() < most_spare && spare_bytes + capacity <= most_spare_bytes) {
        spare_bytes += capacity;
        spare.push_back(std::move(done));
        return;
      }
    }
    give_to_system(std::move(done));
    if (last) drop_spare();
  }
  void give_to_system(std::unique_ptr<Buffer> done) {
    const std::size_t capacity = done->capacity();
    done.reset();  // before others count on its memory
    limit.release(capacity);
  }
  void drop_spare() {
    std::array<std::unique_ptr<Buffer>, most_spare> dropped;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      std::move(spare.begin(), spare.end(), dropped.begin());
      spare.clear();
      spare_bytes = 0;
    }
    for (std::unique_ptr<Buffer>& buffer : dropped)
      if (buffer) give_to_system(std::move(buffer));
  }
};

namespace {

template <class State>
std::shared_ptr<Buffer> shared(const std::shared_ptr<State>& state, std::unique_ptr<Buffer> buffer) {
  return {buffer.release(), [state](Buffer* done) { state->put_back(std::unique_ptr<Buffer>(done)); }};
}

}  // namespace

BufferPool::BufferPool(Limits limits) : state_(std::make_shared<State>(limits)) {}

void BufferPool::set_limits(Limits limits) {
  state_->limit.set(limits.rest);
  state_->shares.set(limits.shares);
  state_->parts.set(limits.parts);
}

std::size_t BufferPool::bytes_to_claim(std::size_t capacity) {
  if (capacity <= small_capacity) return small_capacity;
  return capacity <= usual_capacity ? usual_capacity : Buffer::whole_pages(capacity);
}

std::shared_ptr<Buffer> BufferPool::try_take(std::size_t capacity) {
  if (auto spare = state_->from_spare(capacity)) return shared(state_, std::move(spare));
  const std::size_t bytes = bytes_to_claim(capacity);
  if (!state_->limit.try_claim(bytes)) {
    drop_kept();
    if (!state_->limit.try_claim(bytes)) return nullptr;
  }
  return take_claimed(capacity);
}

std::shared_ptr<Buffer> BufferPool::take_claimed(std::size_t capacity) {
  std::unique_ptr<Buffer> buffer;
  try {
    buffer = state_->make(bytes_to_claim(capacity));
  } catch (...) {
    state_->limit.release(bytes_to_claim(capacity));
    throw;
  }
  return shared(state_, std::move(buffer));
}

std::shared_ptr<Buffer> BufferPool::take_usual_uncounted(std::atomic<bool>& in_use) {
  std::unique_ptr<Buffer> buffer = state_->make(usual_capacity);
  in_use.store(true, std::memory_order_relaxed);
  return {buffer.release(), [state = state_, &in_use](Buffer* done) {
            state->put_on_shelf(std::unique_ptr<Buffer>(done));
            in_use.store(false, std::memory_order_release);
          }};
}

MemoryLimit& BufferPool::limit() { return state_->limit; }

MemoryLimit& BufferPool::shares() { return state_->shares; }

MemoryLimit& BufferPool::parts() { return state_->parts; }

void BufferPool::drop_kept() { state_->drop_spare(); }

unsigned BufferPool::waiting() const { return state_->limit.waiting() + state_->shares.waiting(); }

}  // namespace ashlar::host
