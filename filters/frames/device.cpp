#include "device.hpp"

namespace ashlar::frames {

Layer::Layer(const Create& create, std::unique_ptr<Format> format)
    : cache_(create.params.size("cache")),
      longest_(create.params.size("max_frame")),
      format_(std::move(format)),
      host_(create.host),
      figures_(Metrics(create.host)) {
  if (longest_ > cache_ / 2)
    throw BadParameter("max_frame", "max_frame = " + std::to_string(longest_) +
                                        " is more than half of cache = " + std::to_string(cache_));
}

std::shared_ptr<Unpacked> Layer::unpacked(const Below& below) {
  // Connections that may each see another disk share nothing.
  const bool shares = below.geometry.multi_conn;
  {
    const std::lock_guard lock(mutex_);
    if (shares && shared_ != nullptr && packed_ == below.size()) return shared_;
  }
  auto made = std::make_shared<Unpacked>(format_->index(below, longest_), cache_, *format_, figures_, host_);
  const std::lock_guard lock(mutex_);
  if (!shares) return made;
  if (shared_ == nullptr || packed_ != below.size()) {
    shared_ = std::move(made);
    packed_ = below.size();
  }
  return shared_;
}

Geometry Device::describe() {
  unpacked_ = layer_.unpacked(here());
  Geometry g = offer(Flag::nowait);
  g.size = unpacked_->index().size();
  g.ops = Op::read | Op::cache;
  g.flags = Flag::nowait;
  g.minimum = 1;
  g.preferred = 4096;
  g.maximum = 0;
  g.read_only = true;
  g.zero_may_fail = false;
  return g;
}

}  // namespace ashlar::frames
