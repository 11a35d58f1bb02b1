#include "session/buffer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace ashlar::host {
namespace {

constexpr std::size_t page = 4096;
std::size_t whole_pages(std::size_t bytes) { return (bytes + page - 1) / page * page; }

// Large buffers that are kept for the next request while clients use others: new memory costs more than copying into it.
constexpr std::size_t most_spare = 8;
constexpr std::size_t most_spare_bytes = std::size_t{32} << 20;

}  // namespace

Buffer::Buffer(std::size_t capacity) : capacity_(whole_pages(capacity)) {
  void* region = ::mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<std::byte*>(region);
}

Buffer::~Buffer() { ::munmap(data_, capacity_); }

// Outlives the pool as long as a buffer does.
struct BufferPool::State {
  // Buffers of one capacity that are not in use. Those beyond `most` go back to the system.
  struct Shelf {
    std::size_t capacity;
    std::size_t most;
    std::vector<std::unique_ptr<Buffer>> buffers;
  };

  explicit State(std::size_t limit_in_bytes) : limit(limit_in_bytes) {
    for (Shelf& shelf : shelves) shelf.buffers.reserve(shelf.most);  // give_back must not fail
    spare.reserve(most_spare);
  }

  const std::size_t limit;
  std::mutex mutex;
  std::condition_variable let_go;
  std::size_t large = 0;  // bytes given out in large buffers
  std::vector<std::unique_ptr<Buffer>> spare;  // large ones, while any is in use
  std::size_t spare_bytes = 0;
  std::uint64_t last_ticket = 0, served_ticket = 0;  // of those who wait, first come, first served
  std::atomic<unsigned> waiting{0};
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
  // Reserves the bytes of a large buffer.
  bool claim(std::size_t bytes, bool wait) {
    const auto fits = [&] { return large == 0 || large + bytes <= limit; };
    std::unique_lock<std::mutex> lock(mutex);
    if (last_ticket != served_ticket || !fits()) {  // those who came before go before
      if (!wait) return false;
      const std::uint64_t ticket = ++last_ticket;
      waiting.fetch_add(1, std::memory_order_relaxed);
      let_go.wait(lock, [&] { return served_ticket + 1 == ticket && fits(); });
      waiting.fetch_sub(1, std::memory_order_relaxed);
      served_ticket = ticket;
      let_go.notify_all();  // there may be room for the next one, too
    }
    large += bytes;
    return true;
  }
  void give_back(Buffer* done) {
    std::unique_ptr<Buffer> owned(done);
    const std::size_t capacity = owned->capacity();
    Shelf* shelf = shelf_for(capacity);
    if (shelf == nullptr) return give_back_large(std::move(owned));
    const std::lock_guard<std::mutex> lock(mutex);
    if (shelf->buffers.size() < shelf->most) shelf->buffers.push_back(std::move(owned));
  }
  void give_back_large(std::unique_ptr<Buffer> done) {
    const std::size_t capacity = done->capacity();
    std::array<std::unique_ptr<Buffer>, most_spare> to_system;  // unmapped outside the lock
    {
      const std::lock_guard<std::mutex> lock(mutex);
      large -= capacity;
      if (large == 0) {
        std::move(spare.begin(), spare.end(), to_system.begin());
        spare.clear();
        spare_bytes = 0;
      } else if (spare.size() < most_spare && spare_bytes + capacity <= most_spare_bytes) {
        spare_bytes += capacity;
        spare.push_back(std::move(done));
      }
      let_go.notify_all();
    }
  }
  // A spare buffer for `bytes` that were claimed; the claim then is for all of it.
  std::unique_ptr<Buffer> from_spare(std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    for (std::unique_ptr<Buffer>& one : spare) {
      const std::size_t capacity = one->capacity();
      if (capacity < bytes || capacity > 2 * bytes) continue;
      std::swap(one, spare.back());
      std::unique_ptr<Buffer> buffer = std::move(spare.back());
      spare.pop_back();
      spare_bytes -= capacity;
      large += capacity - bytes;
      return buffer;
    }
    return nullptr;
  }
  void unclaim(std::size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex);
    large -= bytes;
    let_go.notify_all();
  }
  static std::shared_ptr<Buffer> take(const std::shared_ptr<State>& state, std::size_t capacity, bool wait);
};

std::shared_ptr<Buffer> BufferPool::State::take(const std::shared_ptr<State>& state, std::size_t capacity, bool wait) {
  std::unique_ptr<Buffer> buffer;
  if (Shelf* shelf = state->shelf_for(capacity)) {
    buffer = state->from(*shelf);
  } else {
    capacity = whole_pages(capacity);
    if (!state->claim(capacity, wait)) return nullptr;
    try {
      buffer = state->from_spare(capacity);
      if (!buffer) buffer = std::make_unique<Buffer>(capacity);
    } catch (...) {
      state->unclaim(capacity);
      throw;
    }
  }
  return {buffer.release(), [state](Buffer* done) { state->give_back(done); }};
}

BufferPool::BufferPool(std::size_t limit) : state_(std::make_shared<State>(limit)) {}

std::shared_ptr<Buffer> BufferPool::take(std::size_t capacity) { return State::take(state_, capacity, true); }

std::shared_ptr<Buffer> BufferPool::try_take(std::size_t capacity) { return State::take(state_, capacity, false); }

bool BufferPool::wanted() const { return state_->waiting.load(std::memory_order_relaxed) != 0; }

}  // namespace ashlar::host
