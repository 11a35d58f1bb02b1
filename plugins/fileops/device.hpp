// BackendDevice: a plugin's device that is a Backend. The file, block and memory plugins derive from it.
#pragma once
#include <ashlar/plugin.hpp>

#include "backend.hpp"

namespace ashlar::fileops {

class BackendDevice : public Plugin {
 public:
  // `backend` outlives the device.
  explicit BackendDevice(Backend& backend) : backend_(backend) {}

  Geometry describe() override { return backend_.geometry(); }
  Status read(Io& io) noexcept override { return backend_.read(io); }
  Status write(Io& io) noexcept override { return backend_.write(io); }
  Status flush(Io& io) noexcept override { return backend_.flush(io); }
  Status trim(Io& io) noexcept override { return backend_.trim(io); }
  Status zero(Io& io) noexcept override { return backend_.zero(io); }
  Status cache(Io& io) noexcept override { return backend_.cache(io); }
  Status extents(Io& io) noexcept override { return backend_.extents(io); }

 private:
  Backend& backend_;
};

}  // namespace ashlar::fileops
