#include "layer.hpp"

#include <exception>
#include <future>
#include <thread>
#include <utility>

using namespace ashlar;

namespace {

constexpr char here = 0;  // in this library

}  // namespace

Layer::~Layer() {
  images_->end();
  std::thread thread;
  std::future<void> over;
  try {
    std::packaged_task<void()> task([images = images_] { images->finish(); });
    over = task.get_future();
    thread = std::thread(std::move(task));
  } catch (const std::exception&) {
    images_->finish();  // without memory or a thread
    images_->log.end();
    return;
  }
  if (images_->wait_for(over)) {
    thread.join();
  } else {
    images_->log.log(Level::warn, "%s: the cluster does not answer: what was opened is left to be closed when it does",
                     settings().shown().c_str());
    leave_behind(&here);
    thread.detach();
  }
  images_->log.end();  // a lost image that cannot be closed still has it, too
}

Layer::Use::Use(Layer& layer, bool writable, bool wants_lock)
    : images_(*layer.images_), image_(images_.enter(writable)) {
  try {
    size_ = images_.requests.call([image = image_, wants_lock] { return image->open(wants_lock); });
  } catch (...) {
    images_.leave(std::move(image_));
    throw;
  }
}
