#include "chain/chain.hpp"

#include <cerrno>
#include <mutex>

#include "chain/error_text.hpp"
#include "chain/export.hpp"
#include "chain/geometry_check.hpp"

namespace ashlar::host {
namespace {

const void* no_extension(void*, const char*) noexcept { return nullptr; }

}  // namespace

Chain::Chain(const Export& of, Layers& layers)
    : export_(of), layers_(layers), serial_(layers.serial), activity_(of.activity()) {}

void Chain::open_on_top(const Layer& layer, bool read_only) {
  activity_.check();
  auto opened = std::make_unique<Opened>(layer);
  Opened* below = opened_.empty() ? nullptr : opened_.back().get();
  if (below != nullptr) below->joint.emplace(below->device, below->layer.name(), activity_);
  opened->how = {.struct_size = sizeof(ashlar_open),
                 .read_only = read_only ? 1u : 0u,
                 .export_name = export_.name().c_str(),
                 .next = below != nullptr ? &below->joint->device() : nullptr,
                 .below = below != nullptr ? &below->geometry : nullptr,
                 .client = nullptr,
                 .self = nullptr,
                 .extension = &no_extension};
  opened->device.struct_size = sizeof(ashlar_device);

  const auto fault = [&layer](const std::string& text) { return layer.at_fault(text); };
  opened_.reserve(opened_.size() + 1);  // what is open must not be lost for want of memory
  {
    ErrorText refusal;
    const Inside inside(activity_, layer.name(), Call::open);
    if (const std::int32_t status =
            layer.library().module().open(layer.instance(), &opened->how, &opened->device, refusal.receiver()))
      throw layer.refused(status, refusal);
  }
  const ashlar_device& device = opened->device;
  if (device.close == nullptr) throw fault("its device lacks close");
  opened_.push_back(std::move(opened));  // from here on the destructor closes it
  if (device.process == nullptr) throw fault("its device lacks process");
  if (device.describe == nullptr) throw fault("its device lacks describe");

  ashlar_geometry& g = opened_.back()->geometry;
  g.struct_size = sizeof(ashlar_geometry);
  ErrorText complaint;
  const Inside inside(activity_, layer.name(), Call::describe);
  if (const std::int32_t status = device.describe(device.self, &g, complaint.receiver()))
    throw layer.refused(status, complaint);
  g.struct_size = sizeof(ashlar_geometry);  // for the layer above, whatever this one has made of it
  g.ops &= ASHLAR_OPS_KNOWN;
  g.flags &= ASHLAR_FLAGS_KNOWN;
  if (const std::string broken = geometry_fault(g); !broken.empty()) throw fault(broken);
}

void Chain::finish(bool read_only) {
  top_ = opened_.back()->device;
  top_name_ = &opened_.back()->layer.name();
  geometry_ = from_abi(opened_.back()->geometry);
  geometry_.read_only = geometry_.read_only || read_only;
  if (geometry_.read_only || !geometry_.ops.has(Op::write)) {
    geometry_.read_only = true;
    geometry_.ops = geometry_.ops.without(Ops::writing());
  }
}

Chain::~Chain() {
  std::unique_lock<std::mutex> alone(layers_.serial_mutex, std::defer_lock);
  if (serial_) alone.lock();
  while (!opened_.empty()) {
    {
      const Opened& top = *opened_.back();
      const Inside inside(activity_, top.layer.name(), Call::close);
      top.device.close(top.device.self);
    }
    opened_.pop_back();
  }
}

std::vector<Geometry> Chain::geometries() const {
  std::vector<Geometry> all;
  for (auto opened = opened_.rbegin(); opened != opened_.rend(); ++opened) all.push_back(from_abi((*opened)->geometry));
  return all;
}

Inside Chain::waiting_for_lent(std::chrono::steady_clock::time_point since) {
  return {activity_, opened_.front()->layer.name(), static_cast<Call>(ASHLAR_OP_READ), 0, 0, since};
}

int Chain::process_serial(ashlar_io& io) {
  std::unique_lock<std::mutex> alone(layers_.serial_mutex, std::defer_lock);
  if ((io.flags & ASHLAR_NOWAIT) == 0) alone.lock();
  else if (!alone.try_lock()) return EAGAIN;  // another connection's turn may take long
  return call(io);
}

}  // namespace ashlar::host
