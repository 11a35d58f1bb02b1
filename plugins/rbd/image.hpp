// Image: an RBD image, opened; shared by the devices of a layer.
#pragma once
#include <atomic>
#include <memory>
#include <optional>

#include "cluster.hpp"
#include "log.hpp"
#include "object_map.hpp"
#include "requests.hpp"
#include "settings.hpp"
#include "snapshot.hpp"

class Image : public std::enable_shared_from_this<Image> {
 public:
  // `settings`, `log` and `requests` outlive it. `writable`: it will be written to. Opens nothing yet.
  Image(const Settings& settings, Log& log, Requests& requests, bool writable);
  // Closes it, which waits for what librbd has been asked; blocks. [the worker]
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  // Opens it if it is not yet, and tells its size. `wants_lock`: and takes its exclusive lock, to keep it. Throws
  // BadParameter, std::system_error. [the worker]
  std::uint64_t open(bool wants_lock);
  // Finds out whether it is lost, which librbd before 18 keeps to itself while a write of it waits for the lock. [the
  // worker]
  void look_whether_lost() noexcept;
  // See ObjectMap. [the worker]
  std::shared_ptr<const ObjectList> list(std::uint64_t offset, std::uint64_t length);

  // A request that changes it has been answered by librbd, or given up, and not yet answered by who calls this. [any
  // thread]
  void was_changed() noexcept {
    is_written_to_ = true;
    map_->was_changed();
  }
  bool is_written_to() const { return is_written_to_; }
  // Such a request was refused. True: it is to wait, as another keeps the lock, or may do so: that is found out after
  // its first refusal (`is_first`). False: nobody may write to the image. [any thread]
  bool may_wait(bool is_first) noexcept;
  // Such a request has been done, so it had the lock: the log tells anew when it is refused again. [any thread]
  void is_let_in() noexcept {
    if (waits_.load(std::memory_order_relaxed)) waits_ = false;
    if (refused_.load(std::memory_order_relaxed)) refused_ = false;
  }

  // Once it is open. [any thread, as are the next]
  rbd_image_t handle() const { return image_.get(); }
  // As far as it is known already: of a request behind it librbd would leave out a part.
  std::uint64_t size() const { return size_.load(std::memory_order_relaxed); }
  // The cluster has shut it out, as another has taken its lock by force: no request of it will ever succeed.
  bool is_lost() const { return lost_.load(std::memory_order_relaxed); }
  // Its snapshot has been removed: what is read of it is not what it was.
  bool is_removed() const { return removed_.load(std::memory_order_relaxed); }
  // What is read of one holds if this says behind it that the snapshot is there; null: it is none.
  Snapshot* snapshot() { return snapshot_ ? &*snapshot_ : nullptr; }
  // What a request comes to that librbd has answered with `result`, which is negative: an errno number.
  int failed(std::int64_t result) noexcept;

 private:
  void open_image();
  void open_snapshot();
  void check_features() const;
  void check_options() const;
  void take_lock();
  std::optional<std::string> lock_owner() const;
  bool look_whether_secondary() noexcept;
  void watch_size();
  void look_at_size() noexcept;
  void look_who_refuses() noexcept;

  const Settings& settings_;
  Log& log_;
  Requests& requests_;
  const bool writable_;

  struct Close {
    void operator()(rbd_image_t image) const { rbd_close(image); }
  };
  std::optional<Cluster> cluster_;
  std::unique_ptr<void, Close> image_;
  std::optional<ObjectMap> map_;
  std::optional<Snapshot> snapshot_;
  bool has_lock_ = false;
  std::optional<std::uint64_t> watch_;
  std::atomic<std::uint64_t> size_ = 0;
  std::atomic<bool> lost_ = false, removed_ = false, is_written_to_ = false;
  std::atomic<bool> waits_ = false, refused_ = false;  // the log tells of it already
  std::atomic<bool> looks_ = false;                    // look_who_refuses() is under way
  std::atomic<bool> secondary_ = false;                // as it last was when a request was refused
};
