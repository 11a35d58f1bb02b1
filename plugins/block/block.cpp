// The block plugin: a block device as a disk, and nothing else.
#include "fileops/path_device.hpp"
#include "fileops/probe/probe.hpp"

namespace {

namespace fileops = ashlar::fileops;

class Block final : public fileops::PathDevice {
 public:
  static constexpr const char* group = "files and devices";
  static constexpr auto params = fileops::path_params("the block device to serve", "true");

  struct Layer : PathDevice::Layer {
    explicit Layer(const ashlar::Create& create) : PathDevice::Layer(create, true) {}
  };

  static void probe(const ashlar::ProbeRequest& request) { fileops::probe(request, true); }

  Block(Layer& layer, const ashlar::Open& open) : PathDevice(layer, open) {}
};

}  // namespace

ASHLAR_MODULE(Block, .name = "block", .version = "1.0", .summary = "a block device",
              .threads = ashlar::Threads::parallel)
