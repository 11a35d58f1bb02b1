// ObjectMap: which objects of an image there are, as the cluster's object map of it says. It is kept in memory for as
// long as the cluster says that it has not changed.
#pragma once
#include <rados/librados.h>
#include <rbd/librbd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Those of a part of the image.
struct ObjectList {
  std::uint64_t object_size = 0;
  std::uint64_t first = 0;  // the number of the object that there[0] is about
  std::vector<bool> there;  // whether it holds bytes; what it lacks reads as zeroes

  // How far from `offset`, which lies in the part, all objects are as the one there is; at most to the end of the part.
  std::uint64_t same_from(std::uint64_t offset) const;
  bool has(std::uint64_t offset) const { return there[offset / object_size - first]; }
};

// [the worker]
class ObjectMap {
 public:
  // `image`, in `pool`, outlives it; `snapshot`: it is one, and never changes. Throws std::system_error.
  ObjectMap(rbd_image_t image, rados_ioctx_t pool, bool snapshot);

  // A request that changes the image has been answered by librbd, and not yet by who calls this. [any thread]
  void was_changed() noexcept { changed_ = true; }
  // What there is of `offset` to `offset + length`, or of more, at a moment since the call; null: nobody knows, and it
  // is to be taken for data. Throws std::system_error.
  std::shared_ptr<const ObjectList> list(std::uint64_t offset, std::uint64_t length);

 private:
  bool can_tell() const;
  bool has_map() const;
  bool is_valid() const;
  bool is_valid_in_pool() const;
  void flush();
  std::optional<std::uint64_t> version() const;
  std::shared_ptr<const ObjectList> find(std::uint64_t offset, std::uint64_t length, std::uint64_t size);
  std::shared_ptr<const ObjectList> load(std::uint64_t first, std::uint64_t end) const;
  std::shared_ptr<const ObjectList> read(std::uint64_t objects) const;

  const rbd_image_t image_;
  const rados_ioctx_t pool_;
  const bool snapshot_;
  rbd_image_info_t info_{};
  bool can_tell_ = false;
  std::string object_, header_;  // the map and the image's header, as they are kept in the pool

  std::atomic<bool> changed_ = false;
  std::shared_ptr<const ObjectList> whole_;
  std::uint64_t whole_version_ = 0, whole_size_ = 0;
  std::chrono::steady_clock::time_point loaded_{};
  std::chrono::steady_clock::duration load_time_{};
};
