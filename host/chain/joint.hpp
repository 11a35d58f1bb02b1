// Joint: stands between a filter and the layer below it, and notes that a request has gone on to that layer.
#pragma once
#include "chain/activity.hpp"

namespace ashlar::host {

class Joint {
 public:
  // `below`: the layer's device, opened; `layer`: its name. All outlive the joint.
  Joint(const ashlar_device& below, const LayerName& layer, Activity& activity);
  Joint(const Joint&) = delete;
  Joint& operator=(const Joint&) = delete;

  // The layer below, as the filter above sees it.
  const ashlar_device& device() const { return device_; }

 private:
  static std::int32_t describe(void* self, ashlar_geometry* out, ashlar_error* error) noexcept;
  static std::int32_t process(void* self, ashlar_io* io) noexcept;
  static void close(void* self) noexcept;
  static const void* extension(void* self, const char* id) noexcept;
  std::int32_t process_noted(ashlar_io& io) const;

  const ashlar_device below_;
  const LayerName& layer_;
  Activity& activity_;
  const ashlar_device device_;
};

}  // namespace ashlar::host
