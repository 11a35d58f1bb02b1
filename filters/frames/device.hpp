// Device, Layer: the filter as such; a module adds its format.
//
//   class Zstd final : public frames::Device {
//    public:
//     struct Layer : frames::Layer {
//       explicit Layer(const Create& create) : frames::Layer(create, std::make_unique<ZstdFormat>()) {}
//     };
//     static constexpr auto& params = frames::Layer::params;
//     ...
#pragma once
#include <ashlar/filter.hpp>
#include <memory>
#include <mutex>

#include "unpacked.hpp"

namespace ashlar::frames {

class Layer {
 public:
  static constexpr Param params[] = {
      Param::size("cache", "bytes of unpacked frames that are kept")
          .range(1 << 20, std::int64_t{1} << 40)
          .or_else("128M"),
      Param::size("max_frame", "the most bytes of a frame that is served, unpacked; half of cache at most")
          .range(4096, 1 << 30)
          .or_else("64M"),
  };

  // Throws BadParameter.
  Layer(const Create& create, std::unique_ptr<Format> format);

  const Host& host() const { return host_; }
  // What a device over `below` shows. Reads where its frames are, unless another one has done so over a layer of the
  // same size. Throws std::invalid_argument, std::system_error. [within describe()]
  std::shared_ptr<Unpacked> unpacked(const Below& below);

 private:
  const std::uint64_t cache_, longest_;
  const std::unique_ptr<Format> format_;
  const Host host_;
  const Figures figures_;
  std::mutex mutex_;          // not held over a call below
  std::uint64_t packed_ = 0;  // size of the layer below of shared_
  std::shared_ptr<Unpacked> shared_;
};

class Device : public Filter {
 public:
  static constexpr bool never_writes_below = true;

  Device(Layer& layer, const Open& open) : Filter(open), layer_(layer) {}

  Geometry describe() override;
  Status read(Io& io) noexcept override { return unpacked_->read(io, here()); }
  Status cache(Io& io) noexcept override { return unpacked_->cache(io, here()); }

 private:
  Below here() noexcept {
    const auto call = [](void* self, Io& io) noexcept { return static_cast<Device*>(self)->next(io); };
    return {this, call, below()};
  }

  Layer& layer_;
  std::shared_ptr<Unpacked> unpacked_;
};

}  // namespace ashlar::frames
