// Layer: an export, and how its devices have their image.
#pragma once
#include <ashlar/device.hpp>
#include <memory>

#include "images.hpp"

class Layer {
 public:
  // Throws BadParameter, std::runtime_error.
  explicit Layer(const ashlar::Create& create) : images_(std::make_shared<Images>(create)) {}
  // Waits until all is closed. When the cluster does not answer and nothing was written, for no longer than a request
  // does: a thread that nobody waits for goes on then with what belongs to it.
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  // An image that is opened for one device. [one thread]
  class Use {
   public:
    // Waits by ashlar.wait. Throws BadParameter, std::system_error, std::bad_alloc.
    Use(Layer& layer, bool writable, bool wants_lock);
    ~Use() { images_.leave(std::move(image_)); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

    const std::shared_ptr<Image>& image() const { return image_; }  // [any thread]
    std::uint64_t size() const { return size_; }

   private:
    Images& images_;
    std::shared_ptr<Image> image_;
    std::uint64_t size_ = 0;
  };

  const Settings& settings() const { return images_->settings; }
  Requests& requests() { return images_->requests; }

 private:
  const std::shared_ptr<Images> images_;
};
