// Images: those of an export that are open, each for as long as it has clients, or as librbd takes to close it: that
// may be longer than the export is there.
#pragma once
#include <ashlar/device.hpp>
#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "image.hpp"
#include "log.hpp"
#include "requests.hpp"

class Images : public std::enable_shared_from_this<Images> {
 public:
  // Throws BadParameter, std::runtime_error.
  explicit Images(const ashlar::Create& create);
  Images(const Images&) = delete;
  Images& operator=(const Images&) = delete;

  // The one that is open, for one more; or one that is not yet. Throws BadParameter, std::bad_alloc. [any thread]
  std::shared_ptr<Image> enter(bool writable);
  // One less has it: the last one has it closed, and does not wait for that. [any thread]
  void leave(std::shared_ptr<Image> image) noexcept;

  // Those that nobody has any more are to be closed, and nobody will come. Once, and then one of the next.
  void end() noexcept { requests.end_watch(); }
  // Returns when all are closed.
  void finish();
  // Whether `over`, which tells that finish() has returned, has come, or will do so soon enough: else the cluster does
  // not answer. What may be lost by not waiting, as it was written, is waited for however long it takes.
  bool wait_for(const std::future<void>& over) const;

  const Settings settings;
  Log log;

 private:
  // One that is used.
  struct Used {
    std::shared_ptr<Image> image;
    std::size_t devices = 0;
  };
  void close(std::shared_ptr<Image> image, bool unsaved) noexcept;
  void look_at_slow() noexcept;

  std::atomic<bool> looks_ = false;       // look_at_slow() is under way
  std::atomic<std::size_t> unsaved_ = 0;  // that were written to, and are not closed yet
  std::vector<std::thread> closing_;      // each closes an image [the worker]
  std::mutex mutex_;                      // of the next
  std::vector<Used>
      used_[2];  // only read, and writable; the last one is taken by who comes, unless it is lost or removed

 public:
  Requests requests;  // last: what it still runs needs the rest
};
