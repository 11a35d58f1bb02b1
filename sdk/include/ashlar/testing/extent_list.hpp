// ExtentList: a sink that keeps the extents it is given.
#pragma once
#include <ashlar/io.hpp>
#include <cstddef>
#include <vector>

namespace ashlar::testing {

struct ListedExtent {
  std::uint64_t length;
  ExtentState state;
  friend bool operator==(const ListedExtent&, const ListedExtent&) = default;
};

// Equal neighbours are merged, as the host does. Keeps its address.
class ExtentList : public ashlar_extent_sink {
 public:
  // After `limit` extents no more is wanted; 0: no limit.
  explicit ExtentList(std::size_t limit = 0) : ashlar_extent_sink{this, &thunk}, limit_(limit) {}
  ExtentList(const ExtentList&) = delete;
  ExtentList& operator=(const ExtentList&) = delete;

  const std::vector<ListedExtent>& extents() const { return extents_; }
  // Bytes of all extents together.
  std::uint64_t total() const {
    std::uint64_t n = 0;
    for (const ListedExtent& e : extents_) n += e.length;
    return n;
  }
  // Whether one had no length.
  bool had_empty() const { return had_empty_; }

 private:
  static std::int32_t thunk(void* self, std::uint64_t length, std::uint32_t state) noexcept {
    return static_cast<ExtentList*>(static_cast<ashlar_extent_sink*>(self))->add_one({length, ExtentState{state}});
  }
  std::int32_t add_one(ListedExtent e) {
    if (e.length == 0) had_empty_ = true;
    else if (!extents_.empty() && extents_.back().state == e.state) extents_.back().length += e.length;
    else if (limit_ == 0 || extents_.size() < limit_) extents_.push_back(e);
    else return 1;
    return 0;
  }

  const std::size_t limit_;
  std::vector<ListedExtent> extents_;
  bool had_empty_ = false;
};

}  // namespace ashlar::testing
