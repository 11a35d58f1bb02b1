#include "image.hpp"

#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace ashlar;

namespace {

constexpr const char* is_secondary = "the image is mirrored and not the primary one, so only its mirror writes to it";

// Whether Ceph reads it so. Whoever sets an option of an image may write it in each of these ways.
bool is_true(const char* value) {
  int number = 0;
  const char* const end = value + std::strlen(value);
  const auto [last, error] = std::from_chars(value, end, number);
  return ::strcasecmp(value, "true") == 0 || (error == std::errc() && last == end && number != 0);
}

std::string text_of(int error) { return std::generic_category().message(error < 0 ? -error : error); }

}  // namespace

Image::Image(const Settings& settings, Log& log, Requests& requests, bool writable)
    : settings_(settings), log_(log), requests_(requests), writable_(writable) {}

Image::~Image() {
  if (watch_) rbd_update_unwatch(image_.get(), *watch_);
}

std::uint64_t Image::open(bool wants_lock) {
  if (!map_) open_image();
  if (wants_lock && !has_lock_) take_lock();
  if (snapshot_)
    if (const int r = snapshot_->look(); r < 0)
      throw BadParameter("snapshot",
                         settings_.shown() + (r == -ENOENT ? ": the snapshot has been removed"
                                                           : " does not tell whether it is there: " + text_of(r)),
                         failed(r));
  std::uint64_t size = 0;
  if (const int r = rbd_get_size(image_.get(), &size); r < 0)
    throw std::system_error(-r, std::generic_category(), settings_.shown() + " does not tell its size");
  size_ = size;
  return size;
}

void Image::open_image() {
  if (!cluster_) cluster_.emplace(settings_);
  rbd_image_t image = nullptr;
  const auto open = writable_ ? &rbd_open : &rbd_open_read_only;
  if (const int r = open(cluster_->pool(), settings_.image.c_str(), &image, nullptr); r < 0)
    throw BadParameter(
        "image", settings_.shown() + (r == -ENOENT ? ": there is no such image" : " cannot be opened: " + text_of(r)),
        -r);
  image_.reset(image);
  if (!settings_.snapshot.empty()) open_snapshot();
  check_features();
  check_options();
  watch_size();
  map_.emplace(image, cluster_->pool(), !settings_.snapshot.empty());
}

// By its number: another of its name may come later.
void Image::open_snapshot() {
  std::uint64_t number = 0;
  int r = rbd_snap_get_id(image_.get(), settings_.snapshot.c_str(), &number);
  if (r >= 0) r = rbd_snap_set_by_id(image_.get(), number);
  if (r < 0)
    throw BadParameter(
        "snapshot",
        settings_.shown() + (r == -ENOENT ? ": the image has no such snapshot" : " cannot be opened: " + text_of(r)),
        -r);
  std::uint8_t is_old = 0;  // of the first format of images, whose header tells less
  rbd_get_old_format(image_.get(), &is_old);
  if (is_old != 0) return;
  char id[RBD_MAX_IMAGE_NAME_SIZE] = "";
  if (r = rbd_get_id(image_.get(), id, sizeof id); r < 0)
    throw BadParameter("image", settings_.shown() + " does not tell its number: " + text_of(r), -r);
  snapshot_.emplace(cluster_->pool(), std::string("rbd_header.") + id, number);
}

void Image::check_features() const {
  if (!writable_) return;
  std::uint64_t features = 0;
  rbd_get_features(image_.get(), &features);
  const bool locks = (features & RBD_FEATURE_EXCLUSIVE_LOCK) != 0;
  if (settings_.lock == Lock::require && !locks)
    throw BadParameter("exclusive_lock", settings_.shown() +
                                             " has no exclusive lock to require; give it one: rbd feature enable " +
                                             settings_.shown() + " exclusive-lock");
  if (settings_.lock == Lock::off && locks)
    throw BadParameter(
        "exclusive_lock",
        settings_.shown() + " is written to only by who holds its exclusive lock; write \"auto\", or take " +
            "it from the image: rbd feature disable " + settings_.shown() + " fast-diff object-map exclusive-lock");
}

// Those of the image and of its pool come before the plugin's.
void Image::check_options() const {
  if (!writable_) return;
  int count = 0;
  rbd_config_image_list(image_.get(), nullptr, &count);  // which only tells how many
  std::vector<rbd_config_option_t> options(static_cast<std::size_t>(count));
  if (const int r = rbd_config_image_list(image_.get(), options.data(), &count); r < 0)
    throw BadParameter("image", settings_.shown() + " does not tell its options: " + text_of(r), -r);
  const bool copies = std::ranges::none_of(options, [](const rbd_config_option_t& one) {
    return std::string_view(one.name) == copy_option && !is_true(one.value);
  });
  rbd_config_image_list_cleanup(options.data(), count);
  if (!copies)
    throw BadParameter("image", settings_.shown() + " or its pool sets " + copy_option +
                                    ", without which nothing is written here; write: rbd config image set " +
                                    settings_.shown() + " " + copy_option + " true");
}

// From then on others who ask for it do not get it.
void Image::take_lock() {
  if (const int r = rbd_lock_acquire(image_.get(), RBD_LOCK_MODE_EXCLUSIVE); r < 0) {
    const std::string what = settings_.shown() + ": its exclusive lock is not to be had: ";
    if (look_whether_secondary()) throw BadParameter("exclusive_lock", what + is_secondary, EROFS);
    if (r != -EROFS) throw BadParameter("exclusive_lock", what + text_of(r), -r);
    throw BadParameter("exclusive_lock", what + "it is held by another" + lock_owner().value_or("") + ", who keeps it",
                       EBUSY);
  }
  has_lock_ = true;
}

// In words, which are none where it is not known who it is. Nothing: nobody, or this server.
std::optional<std::string> Image::lock_owner() const {
  int is_own = 0;
  if (rbd_is_exclusive_lock_owner(image_.get(), &is_own) == 0 && is_own != 0) return std::nullopt;
  rbd_lock_mode_t mode{};
  char* owners[1] = {};
  std::size_t count = 1;
  const int r = rbd_lock_get_owners(image_.get(), &mode, owners, &count);
  if (r == -ENOENT || (r == 0 && count == 0)) return std::nullopt;
  if (r < 0) return "";
  std::string name = std::string(" (") + owners[0] + ")";
  rbd_lock_get_owners_cleanup(owners, count);
  return name;
}

// One that is mirrored from elsewhere is written to by the mirror alone: librbd answers who writes to it as if another
// kept the lock.
bool Image::look_whether_secondary() noexcept {
  rbd_mirror_image_info_t info{};
  const bool told = rbd_mirror_image_get_info(image_.get(), &info, sizeof(info)) == 0;
  secondary_ = told && info.state == RBD_MIRROR_IMAGE_ENABLED && !info.primary;
  if (told) rbd_mirror_image_get_info_cleanup(&info);
  return secondary_;
}

// librbd must not be called by the thread that tells of the change.
void Image::watch_size() {
  std::uint64_t watch = 0;
  const auto changed = [](void* self) {
    auto& image = *static_cast<Image*>(self);
    try {
      image.requests_.post([weak = image.weak_from_this()] {
        if (const auto still = weak.lock()) still->look_at_size();
      });
    } catch (const std::exception&) {
      // The next change will tell, or the next client.
    }
  };
  if (rbd_update_watch(image_.get(), &watch, changed, this) == 0) watch_ = watch;
}

void Image::look_at_size() noexcept {
  std::uint64_t size = 0;
  if (rbd_get_size(image_.get(), &size) < 0) return;
  const std::uint64_t before = size_.exchange(size);
  if (before != size)
    log_.log(Level::info, "%s has %llu bytes now and had %llu: clients that come from now on are told",
             settings_.shown().c_str(), static_cast<unsigned long long>(size), static_cast<unsigned long long>(before));
}

void Image::look_whether_lost() noexcept {
  if (!map_) return;
  if (is_lost()) return requests_.give_up(this);  // those that were begun just before, which librbd never answers
  std::uint64_t size = 0;
  time_t changed = 0;
  if (const int r = rados_stat(cluster_->pool(), "rbd_directory", &size, &changed); r == -ESHUTDOWN) failed(r);
}

std::shared_ptr<const ObjectList> Image::list(std::uint64_t offset, std::uint64_t length) {
  return map_->list(offset, length);
}

bool Image::may_wait(bool is_first) noexcept {
  if (!looks_.exchange(true)) {
    try {
      requests_.post([weak = weak_from_this()] {
        if (const auto still = weak.lock()) still->look_who_refuses();
      });
    } catch (const std::exception&) {
      looks_ = false;  // for the next that is refused
    }
  }
  return is_first || !secondary_;
}

void Image::look_who_refuses() noexcept {
  try {
    const auto owner = look_whether_secondary() ? std::nullopt : lock_owner();
    if (owner && !waits_.exchange(true))
      log_.log(Level::warn, "%s: another%s holds the exclusive lock and keeps it: writes wait for up to %lld s",
               settings_.shown().c_str(), owner->c_str(), static_cast<long long>(settings_.timeout.count()));
  } catch (const std::exception&) {
    // Without memory it is told the next time, or when the request fails.
  }
  looks_ = false;
}

int Image::failed(std::int64_t result) noexcept {
  const int code = static_cast<int>(-result);
  if (code == ESHUTDOWN) {  // which is what Ceph calls EBLOCKLISTED
    if (!lost_.exchange(true)) {
      requests_.give_up(this);
      log_.log(Level::error,
               "%s: another has taken the image from this server by force: its clients' requests fail from now on, "
               "clients that come are served anew",
               settings_.shown().c_str());
    }
    return EIO;
  }
  if (code == ENOENT && snapshot_) {
    if (!removed_.exchange(true))
      log_.log(Level::error, "%s: the snapshot has been removed: its clients' reads fail from now on",
               settings_.shown().c_str());
    return EIO;
  }
  if (code == EROFS) {
    if (!refused_.exchange(true))
      log_.log(Level::error, "%s: %s: nothing can be written", settings_.shown().c_str(),
               secondary_ ? is_secondary : "another holds the exclusive lock and keeps it");
    return EPERM;
  }
  return code == EDQUOT ? ENOSPC : code == EAGAIN ? EIO : code;
}
