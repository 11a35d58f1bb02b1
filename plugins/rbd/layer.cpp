#include "layer.hpp"

#include <algorithm>

using namespace ashlar;

Layer::Layer(const Create& create)
    : settings(create.params), host(create.host), requests(create.host, settings.timeout) {}

Layer::~Layer() = default;

std::shared_ptr<Image> Layer::enter(bool writable) {
  const std::lock_guard lock(mutex_);
  std::vector<Used>& used = used_[writable ? 1 : 0];
  if (used.empty() || used.back().image->is_lost())
    used.push_back({std::make_shared<Image>(settings, host, requests, writable), 0});
  ++used.back().devices;
  return used.back().image;
}

// It is the worker that lets go of it last, behind all that it has been given to do with it.
void Layer::leave(std::shared_ptr<Image> image) noexcept {
  {
    const std::lock_guard lock(mutex_);
    for (std::vector<Used>& used : used_) {
      const auto found = std::ranges::find(used, image, &Used::image);
      if (found != used.end() && --found->devices == 0) used.erase(found);
    }
  }
  try {
    requests.post([held = std::move(image)]() mutable { held.reset(); });
  } catch (const std::exception&) {
    // Without memory or a thread the image is closed here, if this is the last of its devices.
  }
}

Layer::Use::Use(Layer& layer, bool writable, bool wants_lock) : layer_(layer), image_(layer.enter(writable)) {
  try {
    size_ = layer.requests.call([image = image_, wants_lock] { return image->open(wants_lock); });
  } catch (...) {
    layer_.leave(std::move(image_));
    throw;
  }
}

Layer::Use::~Use() { layer_.leave(std::move(image_)); }
