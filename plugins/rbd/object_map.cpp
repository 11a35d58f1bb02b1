#include "object_map.hpp"

#include <endian.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include "map_form.hpp"

namespace {

using Clock = std::chrono::steady_clock;

// How much of the time the whole map may be loaded, while others are at work on the image: a tenth.
constexpr int rest_of_load = 10;

// Of such an image the map does not tell all: its bytes may still be those of another image, or in a cache on a disk.
constexpr std::uint64_t tell_less = RBD_FEATURE_MIGRATING | RBD_FEATURE_DIRTY_CACHE;
constexpr std::uint64_t not_valid = RBD_FLAG_OBJECT_MAP_INVALID | RBD_FLAG_FAST_DIFF_INVALID;

int check(int result, const char* what) {
  if (result < 0) throw std::system_error(-result, std::generic_category(), what);
  return result;
}

}  // namespace

std::uint64_t ObjectList::same_from(std::uint64_t offset) const {
  const std::size_t from = offset / object_size - first;
  std::size_t to = from + 1;
  while (to < there.size() && there[to] == there[from]) ++to;
  return (first + to) * object_size - offset;
}

ObjectMap::ObjectMap(rbd_image_t image, rados_ioctx_t pool, bool snapshot)
    : image_(image), pool_(pool), snapshot_(snapshot) {
  check(rbd_stat(image_, &info_, sizeof(info_)), "the image cannot be looked at");
  can_tell_ = can_tell();
  if (!can_tell_) return;
  char id[RBD_MAX_IMAGE_NAME_SIZE] = "";
  check(rbd_get_id(image_, id, sizeof(id)), "the image does not tell its number");
  object_ = std::string("rbd_object_map.") + id;
  header_ = std::string("rbd_header.") + id;
}

// Of a clone the parent's objects count, too, and with fancy striping an object is no range of the image. What an image
// is being made of by a migration is no parent, but overlaps it likewise.
bool ObjectMap::can_tell() const {
  std::uint64_t overlap = 0, unit = 0, count = 0;
  check(rbd_get_overlap(image_, &overlap), "the image does not tell what of it is its parent's");
  check(rbd_get_stripe_unit(image_, &unit), "the image does not tell its striping");
  check(rbd_get_stripe_count(image_, &count), "the image does not tell its striping");
  rbd_linked_image_spec_t parent{};
  rbd_snap_spec_t of{};
  const int has_parent = rbd_get_parent(image_, &parent, &of);
  if (has_parent == 0) {
    rbd_linked_image_spec_cleanup(&parent);
    rbd_snap_spec_cleanup(&of);
  }
  return has_parent == -ENOENT && overlap == 0 && has_map() && unit == info_.obj_size && count == 1;
}

// Others may switch features while the image is open.
bool ObjectMap::has_map() const {
  std::uint64_t features = 0;
  check(rbd_get_features(image_, &features), "the image does not tell its features");
  return (features & RBD_FEATURE_FAST_DIFF) != 0 && (features & tell_less) == 0;
}

// Where it is not, librbd would ask each object, which takes seconds.
bool ObjectMap::is_valid() const {
  std::uint64_t flags = 0;
  check(rbd_get_flags(image_, &flags), "the image does not tell its flags");
  return (flags & not_valid) == 0;
}

// As the pool has it: librbd hears late, or never, of what others do. Who makes a map anew says first that it is not
// valid, so this is asked behind the map.
bool ObjectMap::is_valid_in_pool() const {
  if (snapshot_) return true;
  const std::uint64_t no_snapshot = htole64(LIBRADOS_SNAP_HEAD);
  std::uint64_t flags = 0;
  const int got = rados_exec(pool_, header_.c_str(), "rbd", "get_flags", reinterpret_cast<const char*>(&no_snapshot),
                             sizeof no_snapshot, reinterpret_cast<char*>(&flags), sizeof flags);
  return got == sizeof flags && (le64toh(flags) & not_valid) == 0;
}

// Of the map as it is kept in the pool. Each object is added to that before its first byte is written. None: this user
// may not look.
std::optional<std::uint64_t> ObjectMap::version() const {
  if (snapshot_) return 0;
  std::uint64_t size = 0;
  time_t changed = 0;
  if (rados_stat(pool_, object_.c_str(), &size, &changed) < 0) return std::nullopt;
  return rados_get_last_version(pool_);
}

std::shared_ptr<const ObjectList> ObjectMap::load(std::uint64_t first, std::uint64_t end) const {
  auto list = std::make_shared<ObjectList>();
  list->object_size = info_.obj_size;
  list->first = first;
  list->there.resize(end - first);
  const auto note = [](std::uint64_t offset, std::size_t length, int exists, void* given) {
    auto& to = *static_cast<ObjectList*>(given);
    if (exists == 0 || length == 0) return 0;
    const std::uint64_t last = (offset + length - 1) / to.object_size;
    for (std::uint64_t n = std::max(offset / to.object_size, to.first); n <= last; ++n)
      if (n - to.first < to.there.size()) to.there[n - to.first] = true;
    return 0;
  };
  // From a whole object on: elsewhere librbd before 1.17 tells wrong offsets.
  const std::uint64_t begin = first * info_.obj_size;
  check(rbd_diff_iterate2(image_, nullptr, begin, (end - first) * info_.obj_size, 1, 1, note, list.get()),
        "the image does not tell which of its objects there are");
  return list;
}

// The map itself, for which librbd takes a hundred times as long. Null: it is to be asked.
std::shared_ptr<const ObjectList> ObjectMap::read(std::uint64_t objects) const {
  if (snapshot_) return nullptr;
  std::vector<std::byte> bytes(map_bytes(objects));
  const int got = rados_read(pool_, object_.c_str(), reinterpret_cast<char*>(bytes.data()), bytes.size(), 0);
  if (got < 0) return nullptr;
  auto there = read_map(std::span(bytes).first(static_cast<std::size_t>(got)));
  if (!there || there->size() != objects) return nullptr;
  return std::make_shared<const ObjectList>(
      ObjectList{.object_size = info_.obj_size, .first = 0, .there = std::move(*there)});
}

// What is in a cache is in no map yet. Of who is refused the lock nothing is: librbd flushes before it hands it over.
void ObjectMap::flush() {
  if (!changed_.exchange(false)) return;
  const int r = rbd_flush(image_);
  if (r >= 0 || r == -EROFS) return;
  changed_ = true;
  check(r, "what was written cannot be flushed");
}

std::shared_ptr<const ObjectList> ObjectMap::list(std::uint64_t offset, std::uint64_t length) {
  if (!can_tell_ || !has_map() || !is_valid()) return nullptr;
  std::uint64_t size = 0;
  check(rbd_get_size(image_, &size), "the image does not tell its size");
  if (offset + length > size) return nullptr;
  flush();
  auto found = find(offset, length, size);
  return is_valid_in_pool() ? found : nullptr;
}

// In what is kept, or as the cluster tells it now.
std::shared_ptr<const ObjectList> ObjectMap::find(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  const std::optional<std::uint64_t> now = version();
  if (whole_ != nullptr && now && *now == whole_version_ && size == whole_size_) return whole_;
  const std::uint64_t objects = (size + info_.obj_size - 1) / info_.obj_size;
  const auto begun = Clock::now();
  if (!now || (whole_ != nullptr && begun - loaded_ < rest_of_load * load_time_))
    return load(offset / info_.obj_size, (offset + length - 1) / info_.obj_size + 1);
  auto loaded = read(objects);
  whole_ = loaded != nullptr ? std::move(loaded) : load(0, objects);
  whole_version_ = *now;
  whole_size_ = size;
  loaded_ = Clock::now();
  load_time_ = loaded_ - begun;
  return whole_;
}
