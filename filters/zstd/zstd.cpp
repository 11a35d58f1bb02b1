// zstd: the disk that is packed in the layer below by zstd.
#include <frames/device.hpp>

#include "zstd_format.hpp"

using namespace ashlar;

class Zstd final : public frames::Device {
 public:
  static constexpr const char* group = "packed disks";
  struct Layer : frames::Layer {
    explicit Layer(const Create& create) : frames::Layer(create, std::make_unique<zstd::ZstdFormat>()) {}
  };
  static constexpr auto& params = frames::Layer::params;

  Zstd(Layer& layer, const Open& open) : Device(layer, open) {}
};

ASHLAR_MODULE(Zstd, .name = "zstd", .version = "1.0", .summary = "the disk that is packed in the layer below by zstd",
              .threads = Threads::parallel)
