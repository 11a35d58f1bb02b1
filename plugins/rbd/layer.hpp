// Layer: an export's image, opened for as long as it has clients.
#pragma once
#include <ashlar/device.hpp>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "image.hpp"
#include "requests.hpp"

class Layer {
 public:
  // Throws BadParameter, std::runtime_error.
  explicit Layer(const ashlar::Create& create);
  // Waits until all is closed.
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // An image that is opened for one device. [one thread]
  class Use {
   public:
    // Waits by ashlar.wait. Throws BadParameter, std::system_error, std::bad_alloc.
    Use(Layer& layer, bool writable, bool wants_lock);
    // The last one has the image closed, and does not wait for that.
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    const std::shared_ptr<Image>& image() const { return image_; }  // [any thread]
    std::uint64_t size() const { return size_; }

   private:
    Layer& layer_;
    std::shared_ptr<Image> image_;
    std::uint64_t size_ = 0;
  };

  const Settings settings;
  const ashlar::Host host;

 private:
  // One that is used.
  struct Used {
    std::shared_ptr<Image> image;
    std::size_t devices = 0;
  };
  std::shared_ptr<Image> enter(bool writable);
  void leave(std::shared_ptr<Image> image) noexcept;
  void close(std::shared_ptr<Image> image) noexcept;
  void look_at_slow() noexcept;

  std::atomic<bool> looks_ = false;   // look_at_slow() is under way
  std::vector<std::thread> closing_;  // each closes an image [the worker]
  std::mutex mutex_;                  // of the next
  std::vector<Used> used_[2];  // only read, and writable; the last one is taken by those who come, unless it is lost

 public:
  Requests requests;  // last: what it still runs needs the rest
};
