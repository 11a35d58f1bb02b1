// Plugin: a device at the bottom of the chain. Override describe() and the ops the backend has; what is not overridden
// is not offered. See examples/01_plugin.
#pragma once
#include <ashlar/device.hpp>
#include <ashlar/module.hpp>

namespace ashlar {

class Plugin : public Device {
 public:
  static constexpr std::uint32_t kind = ASHLAR_PLUGIN;
};

}  // namespace ashlar
