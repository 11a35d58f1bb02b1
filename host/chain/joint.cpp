#include "chain/joint.hpp"

#include <cerrno>

namespace ashlar::host {
namespace {

const Joint& joint(void* self) { return *static_cast<const Joint*>(self); }

}  // namespace

Joint::Joint(const ashlar_device& below, const LayerName& layer, Activity& activity)
    : below_(below),
      layer_(layer),
      activity_(activity),
      device_{sizeof(ashlar_device), 0, this, &Joint::describe, &Joint::process, &Joint::close, &Joint::extension} {}

// A request that must not block costs a few instructions here and no return: the call of the layer below is a jump. So
// nobody notes when it comes back to the filter above, and of such a request the layer is known that it has reached
// last.
std::int32_t Joint::process(void* self, ashlar_io* io) noexcept {
  const Joint& here = joint(self);
  if (here.gate_ != nullptr) return here.process_gated(*io);
  if ((io->flags & ASHLAR_NOWAIT) == 0) return here.process_noted(*io);
  return here.process_at_once(*io);
}

std::int32_t Joint::process_at_once(ashlar_io& io) const {
  if (Note* note = detail::this_threads_note; note != nullptr) note->reach(layer_, io);
  return below_.process(below_.self, &io);
}

[[gnu::noinline]] std::int32_t Joint::process_noted(ashlar_io& io) const {
  const Inside inside(activity_, layer_, io);
  return below_.process(below_.self, &io);
}

[[gnu::noinline]] std::int32_t Joint::process_gated(ashlar_io& io) const {
  const bool may_wait = (io.flags & ASHLAR_NOWAIT) == 0;
  if (!gate_->enter(may_wait)) return EAGAIN;
  const std::int32_t status = may_wait ? process_noted(io) : process_at_once(io);
  gate_->leave();
  return status;
}

void Joint::make_exchangeable() {
  if (gate_ == nullptr) gate_ = std::make_unique<ExchangeGate>();
}

std::int32_t Joint::describe(void* self, ashlar_geometry* out, ashlar_error* error) noexcept {
  const Joint& here = joint(self);
  return here.below_.describe(here.below_.self, out, error);
}

// It is the host that closes the layers, each once.
void Joint::close(void*) noexcept {}

// Gated like a request: the layer must not be closed meanwhile.
const void* Joint::extension(void* self, const char* id) noexcept {
  const Joint& here = joint(self);
  if (here.gate_ != nullptr) here.gate_->enter(true);
  const void* const found = here.below_.extension != nullptr ? here.below_.extension(here.below_.self, id) : nullptr;
  if (here.gate_ != nullptr) here.gate_->leave();
  return found;
}

}  // namespace ashlar::host
