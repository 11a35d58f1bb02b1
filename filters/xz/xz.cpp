// xz: the disk that is packed in the layer below by xz.
#include <frames/device.hpp>

#include "xz_format.hpp"

using namespace ashlar;

class Xz final : public frames::Device {
 public:
  static constexpr const char* group = "packed disks";
  struct Layer : frames::Layer {
    explicit Layer(const Create& create) : frames::Layer(create, std::make_unique<xz::XzFormat>()) {}
  };
  static constexpr auto& params = frames::Layer::params;

  Xz(Layer& layer, const Open& open) : Device(layer, open) {}
};

ASHLAR_MODULE(Xz, .name = "xz", .version = "1.0", .summary = "the disk that is packed in the layer below by xz",
              .threads = Threads::parallel)
