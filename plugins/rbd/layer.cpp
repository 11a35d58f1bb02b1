#include "layer.hpp"

#include <algorithm>
#include <future>

using namespace ashlar;

namespace {

constexpr std::chrono::seconds most_for_lost{2};

}  // namespace

Layer::Layer(const Create& create)
    : settings(create.params), host(create.host), requests(create.host, settings.timeout, [this] { look_at_slow(); }) {}

Layer::~Layer() {
  requests.finish();
  for (std::thread& one : closing_) one.join();
}

std::shared_ptr<Image> Layer::enter(bool writable) {
  if (settings.image.find('*') != settings.image.npos)
    throw BadParameter("image", "image = \"" + settings.image +
                                    "\" has a *, which stands for a name in a template alone: there the name of the "
                                    "[[export]] has one, too");
  const std::lock_guard lock(mutex_);
  std::vector<Used>& used = used_[writable ? 1 : 0];
  if (used.empty() || used.back().image->is_lost())
    used.push_back({std::make_shared<Image>(settings, host, requests, writable), 0});
  ++used.back().devices;
  return used.back().image;
}

void Layer::leave(std::shared_ptr<Image> image) noexcept {
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    for (std::vector<Used>& used : used_) {
      const auto found = std::ranges::find(used, image, &Used::image);
      if (found == used.end() || --found->devices != 0) continue;
      last = true;
      used.erase(found);
    }
  }
  if (!last) return;
  try {
    requests.post([this, held = std::move(image)]() mutable { close(std::move(held)); });
  } catch (const std::exception&) {
    // Without memory or a thread it is closed here.
  }
}

// The next image is opened when this one is closed and its lock free, unless that takes too long: librbd cannot close
// one with a write that waits for a lock in vain. If the image is lost, as well, it never will be able to, and what is
// left of it can do nothing: the cluster has shut it out.
void Layer::close(std::shared_ptr<Image> image) noexcept {
  const bool lost = image->is_lost();
  try {
    closing_.reserve(closing_.size() + 1);
    std::packaged_task<void()> task([held = std::move(image)]() mutable { held.reset(); });
    const std::future<void> over = task.get_future();
    std::thread thread(std::move(task));
    if (over.wait_for(lost ? most_for_lost : settings.timeout) == std::future_status::ready) {
      thread.join();
    } else if (lost) {
      keep_loaded(&most_for_lost);
      thread.detach();
    } else {
      closing_.push_back(std::move(thread));
    }
  } catch (const std::exception&) {
    // Without memory or a thread it is closed here.
  }
}

// Runs on the thread that watches requests.
void Layer::look_at_slow() noexcept {
  if (looks_.exchange(true)) return;
  try {
    std::vector<std::shared_ptr<Image>> images;
    {
      const std::lock_guard lock(mutex_);
      for (const std::vector<Used>& used : used_)
        for (const Used& one : used) images.push_back(one.image);
    }
    requests.post([this, images = std::move(images)] {
      for (const auto& image : images) image->look_whether_lost();
      looks_ = false;
    });
  } catch (const std::exception&) {
    looks_ = false;
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
