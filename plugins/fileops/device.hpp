// BackendDevice: a plugin's device that is a Backend. The file, block and memory plugins derive from it.
#pragma once
#include <ashlar/plugin.hpp>

#include "backend.hpp"

namespace ashlar::fileops {

class BackendDevice : public Plugin {
 public:
  // `backend` outlives the device, which keeps the size of now. Throws std::system_error.
  explicit BackendDevice(Backend& backend) : backend_(backend), geometry_(backend.geometry()) {}

  Geometry describe() override { return geometry_; }
  Status read(Io& io) noexcept override { return backend_.read(io); }
  Status write(Io& io) noexcept override { return backend_.write(io); }
  Status flush(Io& io) noexcept override { return backend_.flush(io); }
  Status trim(Io& io) noexcept override { return backend_.trim(io); }
  Status zero(Io& io) noexcept override { return backend_.zero(io); }
  Status cache(Io& io) noexcept override { return backend_.cache(io); }
  Status extents(Io& io) noexcept override { return backend_.extents(io); }

 private:
  Backend& backend_;
  const Geometry geometry_;
};

}  // namespace ashlar::fileops
