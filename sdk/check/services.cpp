#include "services.hpp"

#include <cerrno>
#include <cstring>

#include "held.hpp"
#include "under_way.hpp"

namespace ashlar::check {

Services::Services(const Options& options)
    : options_(options),
      disconnect_({0, 0, nullptr, [](void*) noexcept {}}),
      reopen_({0, 0, this, [](void*) noexcept -> std::uint64_t { return 1; }, &reopen}) {}

LayerHost& Services::add_layer() {
  const std::lock_guard guard(mutex_);
  while (layers_.size() >= most_layers && layers_.front().ended()) layers_.pop_front();
  return layers_.emplace_back(*this);
}

const void* Services::of_connection(const char* id) {
  if (std::strcmp(id, ASHLAR_DISCONNECT_ID) == 0) return disconnect_.get();
  if (std::strcmp(id, ASHLAR_REOPEN_ID) == 0) {
    if (within_open == 0) wrong(std::string("it asks for ") + ASHLAR_REOPEN_ID + " outside of open");
    return reopen_.get();
  }
  return nullptr;
}

std::int32_t Services::reopen(void* self, std::uint64_t, ashlar_error*) noexcept {
  if (within_process == 0)
    static_cast<Services*>(self)->wrong("it has the layers below reopened, and not within a request");
  if (within_sink != 0) static_cast<Services*>(self)->wrong("it has the layers below reopened within a sink");
  if (locks_held() != 0) static_cast<Services*>(self)->wrong("it has the layers below reopened while it holds a lock");
  return EIO;
}

std::size_t Services::tickets() const {
  const std::lock_guard guard(mutex_);
  std::size_t n = 0;
  for (const LayerHost& layer : layers_) n += layer.tickets();
  return n;
}

void Services::wrong(const std::string& what) {
  const std::lock_guard guard(fault_mutex_);
  if (fault_.empty()) fault_ = what;
}

std::string Services::fault() const {
  const std::lock_guard guard(fault_mutex_);
  return fault_;
}

void Services::look() const {
  if (const std::string text = fault(); !text.empty()) throw Broken{text};
}

}  // namespace ashlar::check
