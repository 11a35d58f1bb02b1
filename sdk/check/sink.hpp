// Sink: takes the extents of one request, and sees what was not to be told.
#pragma once
#include <ashlar/ops.hpp>
#include <ashlar/testing/extent_list.hpp>
#include <mutex>
#include <string>
#include <vector>

namespace ashlar::check {

using testing::ListedExtent;

// Safe for all threads. Keeps its address.
class Sink : public ashlar_extent_sink {
 public:
  // For a request of `length` bytes at `offset`, of a device that ends at `end`. Takes `most` extents (0: any number),
  // and none behind the request.
  Sink(std::uint64_t offset, std::uint64_t length, std::uint64_t end, std::size_t most = 0);
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  // The request is done: nothing may be added any more.
  void close();
  // Equal neighbours are one.
  const std::vector<ListedExtent>& extents() const { return extents_; }
  // Bytes of all extents together; may reach past the request.
  std::uint64_t total() const { return total_; }
  // The first thing that was not to be told; empty: nothing.
  std::string fault() const;

 private:
  friend class LentSink;
  static std::int32_t thunk(void* self, std::uint64_t length, std::uint32_t state) noexcept;
  bool add(std::uint64_t length, std::uint32_t state);
  bool wrong(const char* how);

  const std::uint64_t offset_, length_, end_;
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::vector<ListedExtent> extents_;
  std::uint64_t total_ = 0;
  bool enough_ = false, closed_ = false;
  std::string fault_;
};

// A sink as one call has it.
class LentSink : public ashlar_extent_sink {
 public:
  explicit LentSink(Sink* to) : ashlar_extent_sink{this, &add_to}, to_(to) {}

 private:
  static std::int32_t add_to(void* self, std::uint64_t length, std::uint32_t state) noexcept {
    Sink* const to = static_cast<LentSink*>(static_cast<ashlar_extent_sink*>(self))->to_;
    return Sink::thunk(static_cast<ashlar_extent_sink*>(to), length, state);
  }

  Sink* const to_;
};

}  // namespace ashlar::check
