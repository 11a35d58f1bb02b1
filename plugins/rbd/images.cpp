#include "images.hpp"

#include <algorithm>
#include <utility>

using namespace ashlar;

namespace {

constexpr std::chrono::seconds most_for_lost{2};
// What is behind a call that took its whole time and has returned by now may still be closed in this time.
constexpr std::chrono::seconds least_patience{1};

}  // namespace

Images::Images(const Create& create)
    : settings(create.params), log(create.host), requests(create.host, settings.timeout, [this] { look_at_slow(); }) {}

void Images::finish() {
  requests.finish();
  for (std::thread& one : closing_) one.join();
  closing_.clear();
}

bool Images::wait_for(const std::future<void>& over) const {
  if (unsaved_ != 0) {
    over.wait();
    return true;
  }
  const auto least = Requests::Clock::now() + least_patience;
  const auto until = [&] { return std::max(least, requests.last_job_begun() + settings.timeout); };
  while (over.wait_until(until()) != std::future_status::ready)
    if (Requests::Clock::now() >= until()) return false;
  return true;
}

std::shared_ptr<Image> Images::enter(bool writable) {
  if (settings.image.find('*') != settings.image.npos)
    throw BadParameter("image", "image = \"" + settings.image +
                                    "\" has a *, which stands for a name in a template alone: there the name of the "
                                    "[[export]] has one, too");
  const std::lock_guard lock(mutex_);
  std::vector<Used>& used = used_[writable ? 1 : 0];
  if (used.empty() || used.back().image->is_lost() || used.back().image->is_removed())
    used.push_back({std::make_shared<Image>(settings, log, requests, writable), 0});
  ++used.back().devices;
  return used.back().image;
}

void Images::leave(std::shared_ptr<Image> image) noexcept {
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
  const bool unsaved = image->is_written_to() && !image->is_lost();
  if (unsaved) ++unsaved_;
  try {
    requests.post([this, unsaved, held = std::move(image)]() mutable { close(std::move(held), unsaved); });
  } catch (const std::exception&) {
    // Without memory or a thread it is closed here.
  }
}

// The next image is opened when this one is closed and its lock free, unless that takes too long: librbd cannot close
// one with a write that waits for a lock in vain. If the image is lost, as well, it never will be able to, and what is
// left of it can do nothing: the cluster has shut it out.
void Images::close(std::shared_ptr<Image> image, bool unsaved) noexcept {
  const bool lost = image->is_lost();
  try {
    closing_.reserve(closing_.size() + 1);
    std::packaged_task<void()> task([self = shared_from_this(), unsaved, held = std::move(image)]() mutable {
      held.reset();
      if (unsaved) --self->unsaved_;
    });
    const std::future<void> over = task.get_future();
    std::thread thread(std::move(task));
    if (over.wait_for(lost ? most_for_lost : settings.timeout) == std::future_status::ready) {
      thread.join();
    } else if (lost) {
      leave_behind(&most_for_lost);
      thread.detach();
    } else {
      closing_.push_back(std::move(thread));
    }
  } catch (const std::exception&) {
    // Without memory or a thread it is closed here.
  }
}

// Runs on the thread that watches requests.
void Images::look_at_slow() noexcept {
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
