// Joint: stands between a filter and the layer below it. It notes that a request has gone on to that layer, and lets
// the layer be exchanged for one that was opened anew.
#pragma once
#include <memory>

#include "chain/activity.hpp"
#include "chain/exchange_gate.hpp"

namespace ashlar::host {

class Joint {
 public:
  // `below`: the layer's device, opened; `layer`: its name. All outlive the joint.
  Joint(const ashlar_device& below, const LayerName& layer, Activity& activity);
  Joint(const Joint&) = delete;
  Joint& operator=(const Joint&) = delete;

  // The layer below, as the filter above sees it.
  const ashlar_device& device() const { return device_; }

  // From now on requests pass a gate, so that exchange() may be called. Before the first request.
  void make_exchangeable();
  bool is_exchangeable() const { return gate_ != nullptr; }
  // Calls `change` when no request of the filter above is under way below; others wait. `change` returns a status, and
  // may call set_below(). Does nothing when the generation is a later one than `seen`. [not within a request below]
  template <class Change>
  std::int32_t exchange(std::uint64_t seen, Change change) {
    return gate_->change(seen, change);
  }
  // How many layers have stood below: 1, and one more for each change that succeeded. [any thread]
  std::uint64_t generation() { return gate_->generation(); }
  // Another device takes the place of the layer below. [within exchange()]
  void set_below(const ashlar_device& below) { below_ = below; }

 private:
  static std::int32_t describe(void* self, ashlar_geometry* out, ashlar_error* error) noexcept;
  static std::int32_t process(void* self, ashlar_io* io) noexcept;
  static void close(void* self) noexcept;
  static const void* extension(void* self, const char* id) noexcept;
  std::int32_t process_at_once(ashlar_io& io) const;
  std::int32_t process_noted(ashlar_io& io) const;
  std::int32_t process_gated(ashlar_io& io) const;

  ashlar_device below_;
  const LayerName& layer_;
  Activity& activity_;
  std::unique_ptr<ExchangeGate> gate_;  // null: the layer below stays
  const ashlar_device device_;
};

}  // namespace ashlar::host
